// A shopping day told by Segment's unmodified client for Node: day.mjs node URL. The key is in KEY.
import { createRequire } from "node:module";

// The packages are in a folder of their own, which `run` names.
const { Analytics } = createRequire(`${process.env.CLIENTS}/package.json`)("@segment/analytics-node");

const [vendor, host] = process.argv.slice(2);
const told = new Analytics({ writeKey: process.env.KEY, host });
const failed = [];
told.on("error", (error) => failed.push(error));

const userId = `ann-${vendor}@example.com`;
const order_id = `order-${vendor}`;
const context = { ip: "203.0.113.77" };
const product = (product_id, price, quantity) => ({
  product_id, name: product_id, category: "Games", brand: "Hasbro", price, quantity, currency: "CHF",
});
const track = (event, properties) => told.track({ userId, event, properties });

told.identify({ userId, context, traits: { gender: "female", birthday: "1990-05-01", email: userId,
                                           address: { country: "CH", city: "Bern" } } });
told.page({ userId, context, category: "Shop", name: "Home", properties: { url: "https://shop.example.com/" } });
track("Product Viewed", product("uno", 3.1, 1));
track("Product Added", product("uno", 3.1, 2));
track("Coupon Entered", { coupon_id: "may" });
track("Checkout Started", { order_id });
track("Order Completed", { order_id, currency: "CHF", products: [product("uno", 3.1, 2), product("monopoly", 19, 1)] });
await told.flush();
track("Order Refunded", { order_id });
await told.closeAndFlush();
if (failed.length > 0) {
  console.error(failed);
  process.exit(1);
}
