"use strict";

// All URLs are relative to the page, so that it works at a base path and behind a proxy that shows it at its root.

const HOUSEHOLD = ["name", "street", "phone", "email", "postcode", "city"];
const PLAIN = ["appointment", "meter_number"];

const byId = (id) => document.getElementById(id);

let listUrl = "orders";
let nextUrl = null;
let opened = null;
let shown = { notes: [] };

function say(text) {
  byId("status").textContent = text;
}

async function call(method, url, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(url, options);
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Error((answer && (answer.error || answer.title)) || `The server answered ${response.status}`);
  }
  return answer;
}

// Runs an action of the user; what goes wrong is said, never swallowed.
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(`Failed: ${error.message}`);
  }
}

function cell(text) {
  const element = document.createElement("td");
  element.textContent = text ?? "";
  return element;
}

function row(order) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Open order ${order.id}`;
  button.addEventListener("click", () => attempt(() => open(order.id)));
  const first = document.createElement("td");
  first.append(button);
  const { name, street, postcode, city } = order.household;
  const element = document.createElement("tr");
  element.dataset.order = order.id;
  element.append(first, ...[name, street, postcode, city, order.appointment].map(cell));
  return element;
}

async function list(url) {
  const page = await call("GET", url);
  listUrl = url;
  nextUrl = page.next;
  byId("order-rows").replaceChildren(...page.items.map(row));
  byId("order-count").textContent = page.total === 1 ? "1 order" : `${page.total} orders`;
  byId("next-page").disabled = nextUrl === null;
  byId("first-page").disabled = !url.includes("page=");
}

function searchUrl() {
  const name = byId("search-name").value.trim();
  return name ? `orders?${new URLSearchParams({ name })}` : "orders";
}

function show(order) {
  opened = order.id ?? null;
  shown = order;
  for (const name of HOUSEHOLD) byId(`field-${name}`).value = order.household[name] ?? "";
  for (const name of PLAIN) byId(`field-${name}`).value = order[name] ?? "";
  byId("field-notes").value = order.notes.join("\n");
  byId("editor-heading").textContent = opened === null ? "New order" : `Order ${opened}`;
  byId("documents-link").hidden = opened === null;
  if (opened !== null) byId("documents-link").href = `orders/${opened}/documents`;
  byId("editor").hidden = false;
  byId("editor-heading").focus();
}

async function open(id) {
  show(await call("GET", `orders/${id}`));
  say("");
}

// Values go back exactly as they came unless the user changed them: nothing is trimmed, and a note may hold a line break.
function edited() {
  const text = (name) => byId(`field-${name}`).value || null;
  const pick = (names) => Object.fromEntries(names.map((name) => [name, text(name)]));
  const typed = byId("field-notes").value;
  const notes = typed === shown.notes.join("\n") ? shown.notes : typed.split("\n").filter((note) => note.trim());
  return { ...pick(PLAIN), household: pick(HOUSEHOLD), notes };
}

async function save() {
  const order = opened === null ? await call("POST", "orders", edited()) : await call("PUT", `orders/${opened}`, edited());
  show(order);
  await list(listUrl);
  say(`Order ${order.id} saved`);
}

function close() {
  opened = null;
  byId("editor").hidden = true;
  byId("search-name").focus();
}

function on(id, event, action) {
  byId(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    attempt(async () => action());
  });
}

on("search-form", "submit", () => list(searchUrl()));
on("show-all", "click", () => {
  byId("search-name").value = "";
  return list("orders");
});
on("new-order", "click", () => show({ household: {}, notes: [] }));
on("first-page", "click", () => list(searchUrl()));
on("next-page", "click", () => list(nextUrl));
on("order-form", "submit", save);
on("close-button", "click", close);
attempt(() => list("orders"));
