// The shopper's basket and orders, kept in this browser. Amounts are whole hundredths of the currency.

import { minor, product } from "./catalogue.js";

const read = (name, otherwise) => JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
const write = (name, value) => localStorage.setItem(name, JSON.stringify(value));

export const currency = () => read("currency", "EUR");
export const setCurrency = (code) => write("currency", code);

export const account = () => read("account", null);
export const setAccount = (value) => write("account", value);

/// The lines of the basket: a product and how many.
export const lines = () => read("basket", []).map(({ id, quantity }) => ({ one: product(id), quantity }));

export const put = (id, quantity) => {
  const kept = read("basket", []).filter((line) => line.id !== id);
  write("basket", quantity > 0 ? [...kept, { id, quantity }] : kept);
};

export const held = (id) => read("basket", []).find((line) => line.id === id)?.quantity ?? 0;

export const total = (of, code) => of.reduce((sum, { one, quantity }) => sum + minor(one, code) * quantity, 0);

/// A product as Segment's specification has it.
export const described = (one, quantity, code) => ({
  product_id: one.id,
  name: one.name,
  category: one.category,
  brand: one.brand,
  price: minor(one, code) / 100,
  quantity,
  currency: code,
});

export const orders = () => read("orders", []);

/// Empties the basket into an order.
export const order = (payment) => {
  const code = currency();
  const made = {
    id: `AF-${Date.now().toString(36).toUpperCase()}-${crypto.getRandomValues(new Uint16Array(1))[0].toString(36).toUpperCase()}`,
    at: new Date().toISOString(),
    currency: code,
    payment,
    products: lines().map(({ one, quantity }) => described(one, quantity, code)),
    returned: [],
  };
  write("orders", [made, ...orders()]);
  write("basket", []);
  return made;
};

/// Notes what was sent back: one product, or all of the order.
export const returned = (id, products) =>
  write("orders", orders().map((one) => (one.id === id ? { ...one, returned: [...one.returned, ...products] } : one)));
