// The pages of the shop: each is drawn from its address, and tells what it stands for.

import * as basket from "./basket.js";
import { CATEGORIES, PRODUCTS, drawing, minor, money, product } from "./catalogue.js";
import * as tracking from "./tracking.js";

const main = document.querySelector("#main");
const price = (one, quantity = 1) => money(minor(one, basket.currency()) * quantity, basket.currency());
const products = (lines) => lines.map(({ one, quantity }) => basket.described(one, quantity, basket.currency()));
const goods = (of) => of.reduce((sum, { price: each, quantity }) => sum + Math.round(each * 100) * quantity, 0);
const text = (value) => value.replace(/[&<>"]/g, (letter) => `&#${letter.codePointAt(0)};`);

const PAYMENTS = { card: "Card", paypal: "PayPal", bank_transfer: "Bank transfer" };

const tiles = (of) => `<ul class="tiles">${of.map((one) => `
  <li><a href="#/product/${one.id}">${drawing(one)}
    <span class="name">${one.name}</span><span class="price">${price(one)}</span></a></li>`).join("")}</ul>`;

const empty = (title, what) => `<h1>${title}</h1><p class="lead">${what} <a href="#/">Look around</a>.</p>`;

const table = (lines, actions) => `<table>
  <thead><tr><th>Product</th><th class="num">Quantity</th><th class="num">Price</th><th class="num">Amount</th><th></th></tr></thead>
  <tbody>${lines.map(({ one, quantity }) => `<tr><td><a href="#/product/${one.id}">${one.name}</a></td>
    <td class="num">${quantity}</td><td class="num">${price(one)}</td><td class="num">${price(one, quantity)}</td>
    <td>${actions(one)}</td></tr>`).join("")}</tbody>
  <tfoot><tr><td colspan="3">Total</td><td class="num">${money(basket.total(lines, basket.currency()), basket.currency())}</td>
    <td></td></tr></tfoot></table>`;

const PAGES = {
  "": (category) => {
    const of = PRODUCTS.filter((one) => !category || one.category === category);
    tracking.track("Product List Viewed", {
      list_id: category ?? "all", category: category ?? "all", products: products(of.map((one) => ({ one, quantity: 1 }))),
    });
    return `<h1>${category ?? "Things that last"}</h1>
      <p class="lead">${category ? `${of.length} things, made to be used.` : "For the table, the window sill and the long evening."}</p>
      ${tiles(of)}`;
  },

  product: (id) => {
    const one = product(id);
    if (!one) return empty("Not here", "There is no such product.");
    tracking.track("Product Viewed", basket.described(one, 1, basket.currency()));
    return `<article class="product">${drawing(one)}
      <div><p class="crumb"><a href="#/category/${one.category}">${one.category}</a> · ${one.brand}</p>
        <h1>${one.name}</h1><p class="lead">${one.text}</p><p class="big">${price(one)}</p>
        <form data-form="add" data-id="${one.id}"><label>Quantity
          <input name="quantity" type="number" value="1" min="1" max="20" required></label>
          <button class="primary">Add to the basket</button></form></div></article>`;
  },

  basket: () => {
    const lines = basket.lines();
    if (!lines.length) return empty("Basket", "Your basket is empty.");
    return `<h1>Basket</h1>
      ${table(lines, (one) => `<button class="plain" data-remove="${one.id}">Remove ${one.name}</button>`)}
      <p class="row end"><a class="button primary" href="#/checkout">Check out</a></p>`;
  },

  checkout: () => {
    const lines = basket.lines();
    if (!lines.length) return empty("Check out", "Your basket is empty.");
    const value = basket.total(lines, basket.currency()) / 100;
    tracking.track("Checkout Started", { value, currency: basket.currency(), products: products(lines) });
    return `<h1>Check out</h1>${table(lines, () => "")}
      <form data-form="pay" class="card"><fieldset><legend>How do you pay?</legend>
        ${Object.entries(PAYMENTS).map(([code, name], at) => `<label class="choice">
          <input type="radio" name="payment" value="${code}" ${at ? "" : "checked"}> ${name}</label>`).join("")}
        </fieldset><button class="primary">Buy now</button></form>`;
  },

  orders: () => {
    const of = basket.orders();
    if (!of.length) return empty("Orders", "You have not bought anything yet.");
    return `<h1>Orders</h1>${of.map((one) => `<section class="card order" data-order="${one.id}">
      <header><h2>${one.id}</h2><p>${new Date(one.at).toLocaleString("en-GB")} · ${PAYMENTS[one.payment]} ·
        <strong>${money(goods(one.products), one.currency)}</strong></p></header>
      <ul>${one.products.map((line) => `<li><span>${line.quantity} × ${line.name}</span>
        ${one.returned.includes(line.product_id) ? "<em>returned</em>"
          : `<button class="plain" data-return="${line.product_id}">Return ${line.name}</button>`}</li>`).join("")}</ul>
      ${one.returned.length < one.products.length
        ? '<p class="row end"><button data-return="">Return what is left</button></p>' : ""}</section>`).join("")}`;
  },

  account: () => {
    const who = basket.account();
    if (who) {
      return `<h1>Signed in</h1><p class="lead">You are ${text(who.name)}.</p>
        <p><button data-leave>Sign out</button></p>`;
    }
    return `<h1>Sign in</h1><p class="lead">Anything will do: there is no password.</p>
      <form data-form="enter" class="card"><label>Name <input name="name" required maxlength="80"></label>
        <label>E-mail address <input name="email" type="email" required maxlength="120"></label>
        <label>Gender <select name="gender"><option value="">rather not say</option><option value="female">female</option>
          <option value="male">male</option></select></label>
        <label>Age <input name="age" type="number" min="18" max="110"></label>
        <button class="primary">Sign in</button></form>`;
  },
};
PAGES.category = PAGES[""];

const FORMS = {
  add: (form, values) => {
    const { id } = form.dataset;
    const quantity = Number(values.get("quantity"));
    basket.put(id, basket.held(id) + quantity);
    tracking.track("Product Added", basket.described(product(id), quantity, basket.currency()));
    location.hash = "#/basket";
  },
  pay: (form, values) => {
    const payment = values.get("payment");
    tracking.track("Payment Info Entered", { payment_method: payment, currency: basket.currency() });
    const { id, currency, products: of } = basket.order(payment);
    tracking.track("Order Completed", {
      order_id: id, currency, total: goods(of) / 100, payment_method: payment, products: of,
    });
    location.hash = "#/orders";
  },
  enter: (form, values) => {
    const { email, ...given } = Object.fromEntries([...values].filter(([, value]) => value));
    basket.setAccount({ email, name: given.name });
    tracking.identify(email, { email, ...given, ...(given.age ? { age: Number(given.age) } : {}) });
    location.hash = "#/";
  },
};

const remove = (id) => {
  tracking.track("Product Removed", basket.described(product(id), basket.held(id), basket.currency()));
  basket.put(id, 0);
};

/// Sends back one product of an order; or what is left of it, by its number alone.
const giveBack = (id, item) => {
  const one = basket.orders().find((order) => order.id === id);
  const left = one.products.filter((line) => !one.returned.includes(line.product_id) && (!item || line.product_id === item));
  tracking.track("Order Refunded", { order_id: id, currency: one.currency, ...(item ? { products: left } : {}) });
  basket.returned(id, left.map((line) => line.product_id));
};

const drawFrame = () => {
  const at = decodeURIComponent(location.hash);
  document.querySelector("#categories").innerHTML = CATEGORIES.map((name) =>
    `<a href="#/category/${name}" ${at === `#/category/${name}` ? 'aria-current="page"' : ""}>${name}</a>`).join("");
  document.querySelector("#count").textContent = basket.lines().reduce((sum, { quantity }) => sum + quantity, 0);
  document.querySelector("#who").textContent = basket.account()?.name ?? "Sign in";
  document.querySelector("#currency").value = basket.currency();
  const consent = tracking.consent();
  document.querySelector("#consent").textContent = `Statistics: ${{ allow: "allowed", deny: "not allowed" }[consent] ?? "ask"}`;
  document.querySelector("#silent").hidden = consent === "allow";
};

const draw = () => {
  const [, name = "", argument] = decodeURIComponent(location.hash.replace(/^#/, "")).split("/");
  const page = Object.hasOwn(PAGES, name) ? name : "";
  main.innerHTML = PAGES[page](argument);
  document.title = `${main.querySelector("h1").textContent} · Alder & Finch`;
  drawFrame();
};

/// Draws the page that the address names, and tells that it was opened.
const go = () => {
  tracking.page(location.hash.split("/")[1] || "home");
  draw();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.form) return;
  event.preventDefault();
  FORMS[form.dataset.form](form, new FormData(form));
});

document.addEventListener("click", ({ target }) => {
  const { remove: taken, return: given, leave } = target.dataset;
  if (taken !== undefined) remove(taken);
  else if (given !== undefined) giveBack(target.closest("[data-order]").dataset.order, given);
  else if (leave !== undefined) {
    basket.setAccount(null);
    tracking.forget();
  } else return;
  draw();
});

document.querySelector("#currency").addEventListener("change", ({ target }) => {
  basket.setCurrency(target.value);
  draw();
});

const ask = document.querySelector("#ask");
document.querySelector("#consent").addEventListener("click", () => ask.showModal());
ask.addEventListener("click", ({ target }) => {
  if (!target.value) return;
  tracking.decide(target.value);
  ask.close();
  go();
});

document.addEventListener("sent", ({ detail: { id, name, state } }) => {
  const list = document.querySelector("#sent");
  const row = document.getElementById(id) ?? list.insertBefore(document.createElement("li"), list.firstChild);
  row.id = id;
  row.dataset.state = state;
  row.innerHTML = `<span>${text(name)}</span><em>${text(state)}</em>`;
  while (list.children.length > 12) list.lastChild.remove();
});

const { console: center } = await (await fetch("settings.json")).json();
const link = document.querySelector("#console");
link.hidden = !center;
link.href = center;

addEventListener("hashchange", go);
go();
if (!tracking.consent()) ask.showModal();
