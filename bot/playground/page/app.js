"use strict";

// Everything shown here may be hostile: names and texts are put in as text, never as HTML.

const $ = (id) => document.getElementById(id);

function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const state = { telegram: null, accounts: {}, deliveries: { rows: [], balance: {} }, bot: {}, switches: {}, tour: { steps: [] }, log: { lines: [] }, example: null };
const view = { person: 0, chat: 0, thread: null, replyTo: null, unread: new Set(), account: "", places: {}, speakers: {}, answering: null, heard: new Map() };
const messages = new Map(); // chat id → Map(message id → message)

const MODES = [
  ["ok", "answers"],
  ["down", "down"],
  ["slow", "slow (2 s)"],
  ["too_many", "429 too many"],
  ["server_error", "500 error"],
  ["cut", "cut after acceptance"],
  ["nonsense", "nonsense"],
];
const STATES = { queued: "waiting", sending: "sending", sent: "sent", held: "held", dead: "failed", expired: "expired", discarded: "dropped", cancelled: "cancelled" };

// ---------------------------------------------------------------------------------------------------- talking to it

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("The playground does not answer. Is it still running?");
  }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(data.error || `That failed (${answer.status}).`);
  return data;
}

// Puts what `draw` makes into a node, unless it shows just that already: what is replaced between press and release of
// a mouse button is never clicked. What had the focus keeps it.
function redraw(node, shown, draw) {
  const now = JSON.stringify(shown);
  if (drawn.get(node) === now) return;
  drawn.set(node, now);
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...draw());
  if (focused !== undefined) [...node.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
}

const drawn = new WeakMap();

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message, "bad");
    return undefined;
  }
}

function toast(text, kind) {
  const node = el("p", { class: kind || "", onclick: () => node.remove() }, text);
  $("toasts").append(node);
  setTimeout(() => node.remove(), 6000);
}

// ---------------------------------------------------------------------------------------------------------- Telegram

const chatOf = (id) => state.telegram.chats.find((chat) => chat.id === id);
const personName = (id) => (state.telegram.people.find((person) => person.id === id) || {}).name || "somebody";
const placeKey = (chat, thread) => `${chat}/${thread || ""}`;

function places() {
  const found = [{ chat: view.person, thread: null, title: state.telegram.bot.name, kind: "private chat" }];
  for (const chat of state.telegram.chats) {
    if (chat.type === "private" || !chat.members.includes(view.person)) continue;
    found.push({ chat: chat.id, thread: null, title: chat.title, kind: chat.is_forum ? "General" : "group", forum: chat.is_forum });
    for (const topic of chat.topics) found.push({ chat: chat.id, thread: topic.id, title: topic.name, kind: chat.title, topic: true });
  }
  return found;
}

function here() {
  const all = places();
  return all.find((place) => place.chat === view.chat && place.thread === view.thread) || all[0];
}

function go(chat, thread) {
  view.chat = chat;
  view.thread = thread;
  setReply(null);
  view.unread.delete(placeKey(chat, thread));
  renderChats();
  renderMessages();
}

function become(person) {
  const before = here();
  view.person = person;
  const stays = before.chat !== before.person && places().some((place) => place.chat === view.chat && place.thread === view.thread);
  renderWho();
  go(stays ? view.chat : person, stays ? view.thread : null);
}

function renderWho() {
  $("who").replaceChildren(
    ...state.telegram.people.map((person) =>
      el(
        "label",
        {},
        el("input", { type: "radio", name: "who", value: String(person.id), checked: person.id === view.person, onchange: () => become(person.id) }),
        el("span", {}, person.name, person.id === state.example.owner ? el("small", {}, " owner") : null),
      ),
    ),
  );
}

function renderChats() {
  const current = here();
  view.chat = current.chat;
  view.thread = current.thread;
  const address = `telegram:${current.chat}${current.thread ? `/${current.thread}` : ""}`;
  $("chat-title").textContent = current.topic ? `${current.kind} › ${current.title}` : current.title;
  $("chat-address").textContent = address;
  const all = places();
  redraw($("chats"), [all, current, all.map((place) => view.unread.has(placeKey(place.chat, place.thread)))], () =>
    all.map((place) => {
      const unread = view.unread.has(placeKey(place.chat, place.thread));
      return el(
        "button",
        {
          type: "button",
          "data-key": placeKey(place.chat, place.thread),
          class: `${place.topic ? "topic" : ""} ${unread ? "unread" : ""}`,
          "aria-current": place === current || (place.chat === current.chat && place.thread === current.thread) ? "true" : undefined,
          onclick: () => go(place.chat, place.thread),
        },
        el("span", { class: "name" }, place.title),
        unread ? el("span", { class: "badge", role: "img", "aria-label": "new messages" }) : null,
      );
    }),
  );
}

const belongs = (message) => message.chat === view.chat && (message.thread || null) === view.thread;

function renderMessages() {
  const list = $("messages");
  const found = [...(messages.get(view.chat) || new Map()).values()].filter(belongs);
  list.replaceChildren(...found.map(bubble));
  if (!found.some((message) => !message.service)) {
    const hint = view.chat === view.person ? `${personName(view.person)} has not written to the bot yet. Try /start` : "Nothing was said here yet.";
    list.append(el("p", { class: "empty" }, hint));
  }
  list.scrollTop = list.scrollHeight;
}

function bubble(message) {
  if (message.service) return el("p", { class: "service", id: `m${message.id}` }, message.service);
  const mine = message.from.id === view.person;
  const start = () => setReply(message);
  const clicked = (event) => {
    if (!event.target.closest("a, button") && !String(getSelection())) start();
  };
  return el(
    "article",
    { class: `bubble ${mine ? "mine" : ""} ${message.from.bot ? "by-bot" : ""}`, id: `m${message.id}`, onclick: clicked },
    mine ? null : el("div", { class: "from" }, message.from.name, message.from.bot ? el("small", {}, " bot") : null),
    message.forwarded ? el("div", { class: "meta" }, "forwarded") : null,
    message.reply_to
      ? el("div", { class: "quote" }, el("b", {}, message.reply_to.name), el("span", {}, message.reply_to.text))
      : null,
    message.file ? el("div", { class: "file" }, `📎 ${message.file.kind}`, message.file.name ? ` ${message.file.name}` : "") : null,
    el("div", { class: "text", dir: "auto" }, ...rich(message.text, message.entities)),
    el(
      "div",
      { class: "foot" },
      ...counted(message.reactions).map(([emoji, count]) => {
        const word = MARKS[emoji] ? el("small", {}, ` ${MARKS[emoji]}`) : null;
        return el("span", { class: "reaction" }, count > 1 ? `${emoji} ${count}` : emoji, word);
      }),
      el("button", { type: "button", class: "reply", onclick: start, "aria-label": `Reply to ${message.from.name}: ${message.text.slice(0, 40)}` }, "Reply"),
      el("time", {}, `${message.edited ? "edited " : ""}${clock(message.date)}`),
    ),
    ...message.buttons.map((row) =>
      el("div", { class: "keys" }, ...row.map((button) => el("button", { type: "button", onclick: () => press(message, button) }, button.text))),
    ),
  );
}

function counted(reactions) {
  const found = new Map();
  for (const emoji of reactions) found.set(emoji, (found.get(emoji) || 0) + 1);
  return [...found];
}

// The bot's marks of delivery, in words too.
const MARKS = { "👀": "waiting", "👌": "sent", "🤔": "may have arrived", "💔": "failed" };

// Entities are counted in UTF-16 units, as strings are here.
function rich(text, entities) {
  if (!entities.length) return [text];
  const cuts = new Set([0, text.length]);
  for (const entity of entities) cuts.add(Math.min(entity.offset, text.length)).add(Math.min(entity.offset + entity.length, text.length));
  const points = [...cuts].sort((a, b) => a - b);
  return points.slice(1).map((end, index) => {
    const start = points[index];
    const piece = text.slice(start, end);
    const over = entities.filter((entity) => entity.offset <= start && entity.offset + entity.length >= end);
    if (!over.length) return piece;
    const names = over.map((entity) => `t-${entity.type.replaceAll("_", "-")}`).join(" ");
    const link = over.map((entity) => entity.url || (entity.type === "url" ? piece : "")).find((url) => /^https?:\/\//i.test(url));
    if (link) return el("a", { href: link, target: "_blank", rel: "noopener noreferrer", class: names }, piece);
    return el("span", { class: names }, piece);
  });
}

async function press(message, button) {
  if (button.url) {
    toast(`This button opens ${button.url}`);
    return;
  }
  const done = await attempt(() => post("/playground/press", { user: view.person, chat: view.chat, message: message.id, data: button.data }));
  if (done && done.answer === null) toast("The bot did not answer the press yet.");
  else if (done && done.answer.text) toast(done.answer.text);
}

function upsert(message) {
  if (!messages.has(message.chat)) messages.set(message.chat, new Map());
  const known = messages.get(message.chat);
  const isNew = !known.has(message.id);
  known.set(message.id, message);
  if (message.chat > 0 && !chatOf(message.chat)) refetch();
  if (!belongs(message)) {
    if (isNew && !message.service && message.from.id !== view.person) {
      view.unread.add(placeKey(message.chat, message.thread));
      renderChats();
    }
    return;
  }
  const list = $("messages");
  const there = $(`m${message.id}`);
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  if (there) there.replaceWith(bubble(message));
  else {
    list.querySelector(".empty")?.remove();
    const node = bubble(message);
    node.classList.add("new");
    list.append(node);
  }
  if (atEnd || message.from.id === view.person) list.scrollTop = list.scrollHeight;
}

function remove({ chat, id }) {
  messages.get(chat)?.delete(id);
  if (chat === view.chat) $(`m${id}`)?.remove();
}

function setReply(message) {
  view.replyTo = message;
  $("replying").hidden = !message;
  if (!message) return;
  $("replying-name").textContent = message.from.name;
  $("replying-text").textContent = message.text.slice(0, 80);
  $("write").focus();
}

function grow() {
  const box = $("write");
  box.rows = Math.min(5, box.value.split("\n").length);
}

async function say() {
  const text = $("write").value;
  if (!text.trim()) return;
  const body = { user: view.person, chat: view.chat, text };
  if (view.thread) body.thread = view.thread;
  if (view.replyTo) body.reply_to = view.replyTo.id;
  const done = await attempt(() => post("/playground/telegram/say", body));
  if (!done) return;
  $("write").value = "";
  grow();
  setReply(null);
  suggest();
}

// The menu that Telegram would show: the narrowest list that the bot has set for this person in this chat.
function menu() {
  const chat = chatOf(view.chat);
  const admin = chat && chat.admins.includes(view.person);
  const scopes =
    view.chat === view.person
      ? [`chat:${view.chat}`, "all_private_chats", "default"]
      : [
          `chat_member:${view.chat}:${view.person}`,
          ...(admin ? [`chat_administrators:${view.chat}`] : []),
          `chat:${view.chat}`,
          ...(admin ? ["all_chat_administrators"] : []),
          "all_group_chats",
          "default",
        ];
  for (const scope of scopes)
    for (const language of ["en", ""]) {
      const found = state.telegram.menus.find((entry) => entry.scope === scope && entry.language === language);
      if (found) return found.commands;
    }
  return [];
}

let chosen = -1;

function suggest() {
  const box = $("write");
  const word = /^\/([a-z0-9_]*)$/i.exec(box.value);
  const found = word ? menu().filter((entry) => entry.command.startsWith(word[1].toLowerCase())) : [];
  const list = $("suggestions");
  chosen = Math.min(Math.max(chosen, 0), found.length - 1);
  list.hidden = !found.length;
  box.setAttribute("aria-expanded", String(Boolean(found.length)));
  list.replaceChildren(
    ...found.map((entry, index) =>
      el(
        "li",
        {
          role: "option",
          id: `suggestion-${index}`,
          "aria-selected": String(index === chosen),
          onmousedown: (event) => {
            event.preventDefault();
            take(entry.command);
          },
        },
        el("b", {}, `/${entry.command}`),
        el("span", {}, entry.description),
      ),
    ),
  );
  if (found.length) {
    box.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  } else box.removeAttribute("aria-activedescendant");
  return found;
}

function take(command) {
  $("write").value = `/${command} `;
  chosen = -1;
  suggest();
  $("write").focus();
}

function onWriteKey(event) {
  if (event.isComposing) return;
  const found = $("suggestions").hidden ? [] : suggest();
  if (found.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
    suggest();
  } else if (found.length && event.key === "Tab" && !event.shiftKey) {
    event.preventDefault();
    take(found[chosen].command);
  } else if (event.key === "Escape") {
    if (found.length) $("suggestions").hidden = true;
    else setReply(null);
  } else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    const exact = found.some((entry) => `/${entry.command}` === $("write").value);
    if (found.length && !exact) take(found[chosen].command);
    else say();
  }
}

// --------------------------------------------------------------------------------------------------------- providers

const account = () => state.accounts[view.account];
const placeOf = (name, id) => state.accounts[name].places.find((place) => place.id === id);
const lastAt = (place) => (place.entries.length ? place.entries[place.entries.length - 1].at : 0);
const isUnread = (place) => lastAt(place) > (view.heard.get(place.address) || 0);

function place() {
  return placeOf(view.account, view.places[view.account]) || account().places[0];
}

function open(name, id) {
  view.account = name;
  if (id !== undefined) view.places[name] = id;
  answer(null);
  renderAccounts();
  $("entries").scrollTop = $("entries").scrollHeight;
}

function renderAccounts() {
  const names = Object.keys(state.accounts);
  if (!names.includes(view.account)) view.account = names[0];
  view.heard.set(place().address, lastAt(place()));
  const about = names.map((name) => [name, state.accounts[name].title, Boolean(failing(name)), name !== view.account && state.accounts[name].places.some(isUnread)]);
  redraw($("accounts"), [about, view.account], () =>
    about.map(([name, title, fails, unread]) => {
      const shown = name === view.account;
      return el(
        "button",
        {
          type: "button",
          role: "tab",
          "data-key": name,
          "aria-selected": String(shown),
          "aria-controls": "account",
          tabindex: shown ? "0" : "-1",
          class: fails ? "failing" : "",
          onclick: () => open(name),
          onkeydown: (event) => onTabKey(event, names, name),
        },
        title,
        fails ? el("span", { class: "hidden" }, " (does not answer as it should)") : null,
        unread ? el("span", { class: "badge", role: "img", "aria-label": "new messages" }) : null,
      );
    }),
  );
  renderAccount();
}

function onTabKey(event, names, name) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const next = event.key === "Home" ? 0 : event.key === "End" ? names.length - 1 : step && (names.indexOf(name) + step + names.length) % names.length;
  if (next === undefined) return;
  event.preventDefault();
  open(names[next]);
  $("accounts").children[next].focus();
}

function renderAccount() {
  const { title, subscribed, places } = account();
  const current = place();
  $("account-title").replaceChildren(title, " ", el("code", {}, view.account));
  $("account-note").textContent = subscribed ? "" : "not subscribed yet";
  $("place-title").textContent = current.title;
  $("place-address").textContent = current.address;
  redraw($("places"), places.map((one) => [one.address, one.title, isUnread(one), one === current]), () =>
    places.map((one) =>
      el(
        "button",
        { type: "button", "data-key": one.id, class: isUnread(one) ? "unread" : "", "aria-current": one === current ? "true" : undefined, onclick: () => open(view.account, one.id) },
        el("span", { class: "name" }, one.title),
        isUnread(one) ? el("span", { class: "badge", role: "img", "aria-label": "new messages" }) : null,
      ),
    ),
  );
  const list = $("entries");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const byId = new Map(current.entries.filter((one) => one.id).map((one) => [one.id, one]));
  redraw(list, [current.address, current.hint, current.entries], () =>
    current.entries.length ? current.entries.map((one) => entry(one, byId.get(one.reply_to))) : [el("p", { class: "empty" }, current.hint)],
  );
  if (atEnd) list.scrollTop = list.scrollHeight;
  renderSpeakers(current);
  drawSwitch($("account-switch"), view.account);
}

// What was said there: `out` came from a person there, anything else was brought by the bot.
function entry(one, answered) {
  const who = one.person || "Patchbay";
  const taken = one.status >= 200 && one.status < 300;
  const lost = one.status ? `Patchbay answered ${one.status}` : "did not reach Patchbay";
  const again = () => speak({ conversation: place().id, person: one.person, text: one.text, id: one.id });
  return el(
    "article",
    { class: `bubble ${one.out ? "mine" : "by-bot"} ${one.out && !taken ? "failed" : ""} ${one.gone ? "gone" : ""}` },
    el("div", { class: "from" }, who, one.number ? el("small", { title: "In the order of acceptance" }, ` #${one.number}`) : null),
    one.reply_to ? el("div", { class: "quote" }, answered ? el("b", {}, answered.person || "Patchbay") : null, el("span", {}, answered ? answered.text.slice(0, 120) : "an earlier message")) : null,
    one.file ? el("div", { class: "file" }, `📎 ${one.file}`) : null,
    one.text ? el("div", { class: "text", dir: "auto" }, one.text) : null,
    el(
      "div",
      { class: "foot" },
      ...counted(one.marks || []).map(([mark, count]) => el("span", { class: "reaction" }, count > 1 ? `${mark} ${count}` : mark)),
      one.out && !taken ? (account().repeats ? el("button", { type: "button", class: "again", onclick: again }, `${lost}: again`) : el("span", { class: "bad" }, lost)) : null,
      account().replies && one.id && !one.gone
        ? el("button", { type: "button", class: "reply", "data-key": `reply ${one.id}`, "aria-label": `Reply to: ${one.text.slice(0, 40)}`, onclick: () => answer(one) }, "Reply")
        : null,
      el("time", { title: one.out && taken ? `Patchbay answered ${one.status}` : undefined }, `${one.gone ? "deleted " : one.edited ? "edited " : ""}${one.out && taken ? "✓ " : ""}${clock(one.at)}`),
    ),
  );
}

function renderSpeakers(current) {
  const silent = !current.people.length && !current.anybody;
  $("speak-line").hidden = silent;
  $("read-only").hidden = !silent;
  $("read-only").textContent = silent ? "One can only read here: nobody speaks in this place." : "";
  $("speaker").hidden = silent || current.anybody || current.people.length < 2;
  $("speaker-name").hidden = !current.anybody;
  const key = `${current.address} ${current.people.join()}`;
  if ($("speaker").dataset.key === key) return;
  $("speaker").dataset.key = key;
  $("speaker").replaceChildren(...current.people.map((name) => el("option", { value: name }, name)));
  const known = view.speakers[current.address];
  if (known) $("speaker").value = known;
  $("speaker-name").value = known || current.people[0] || "";
  $("speak").setAttribute("aria-label", `Say something in ${current.title}`);
  $("speak").placeholder = current.people.length === 1 && !current.anybody ? `Say something as ${current.people[0]}` : "Say something there";
}

function speaker() {
  return (place().anybody ? $("speaker-name").value.trim() : $("speaker").value) || place().people[0];
}

function answer(one) {
  view.answering = one;
  $("answering").hidden = !one;
  if (!one) return;
  $("answering-name").textContent = one.person || "Patchbay";
  $("answering-text").textContent = one.text.slice(0, 80);
  $("speak").focus();
}

async function speak(said) {
  const done = await attempt(() => post("/playground/say", { account: view.account, ...said }));
  if (done && !done.delivered) toast(`Patchbay answered ${done.status}.`, "bad");
  return Boolean(done);
}

async function speakHere() {
  const text = $("speak").value;
  if (!text.trim()) return;
  const said = { conversation: place().id, person: speaker(), text };
  if (view.answering) said.reply_to = view.answering.id;
  if (!(await speak(said))) return;
  $("speak").value = "";
  answer(null);
}

function renderSwitches() {
  drawSwitch($("telegram-switch"), "telegram");
  if (view.account) renderAccounts();
  renderTour();
}

function drawSwitch(holder, name) {
  const shown = state.switches[name];
  if (!shown) return;
  let select = holder.querySelector("select");
  if (!select || select.dataset.side !== name) {
    const change = () => attempt(() => post("/playground/switch", { name, mode: select.value, remaining: null })).then(renderSwitches);
    select = el("select", { "data-side": name, onchange: change }, ...MODES.map(([value, label]) => el("option", { value }, label)));
    holder.replaceChildren(el("label", {}, el("span", {}, "Server "), select));
  }
  if (!MODES.some(([value]) => value === shown.mode)) select.append(el("option", { value: shown.mode }, shown.mode.replace("_", " ")));
  select.value = shown.mode;
  holder.closest(".panel").classList.toggle("failing", shown.mode !== "ok");
}

// --------------------------------------------------------------------------------------------------------- what it did

function renderDeliveries() {
  const { rows, balance } = state.deliveries;
  $("no-rows").hidden = rows.length > 0;
  const open = (row) => (["sending", "queued", "held"].includes(row.state) ? 1 : 0);
  const sorted = [...rows].sort((a, b) => open(b) - open(a) || b.id - a.id); // what is not settled comes first
  $("rows").replaceChildren(
    ...sorted.map((row) =>
      el(
        "tr",
        { class: `s-${row.state}` },
        el("td", { class: "id" }, String(row.id)),
        el("td", {}, el("code", {}, row.address)),
        el("td", {}, el("span", { class: "state" }, STATES[row.state] || row.state)),
        el("td", { class: "id" }, String(row.attempts)),
        el("td", { class: "text", title: row.text }, row.parts > 1 ? `(${row.part}/${row.parts}) ${row.text}` : row.text),
        el("td", { class: "why", title: row.error || "" }, next(row)),
      ),
    ),
  );
  const out = balance.deliveries;
  if (!out) return;
  const parts = Object.entries(out).filter(([name, count]) => name !== "created" && (count || name === "sent"));
  $("balance").replaceChildren(
    el("span", {}, `${balance.inbound.accepted} in`),
    el("span", { title: "Every delivery ends in a countable way" }, `${out.created} out = ${parts.map(([name, count]) => `${count} ${STATES[name] || name}`).join(" + ")}`),
    el("span", { class: balance.balanced ? "good" : "bad" }, balance.balanced ? "balanced ✓" : "NOT balanced"),
  );
}

function next(row) {
  if (row.state === "queued") {
    const seconds = Math.ceil(row.due_at - Date.now() / 1000);
    const wait = row.attempts && seconds > 0 ? `again in ${seconds} s` : "soon";
    return row.error ? `${wait}: ${row.error}` : wait;
  }
  if (row.state === "held") return `decide in the chat, or /held: ${row.error || ""}`;
  return row.state === "sent" ? "" : row.error || "";
}

function renderBot() {
  const bot = state.bot;
  $("bot-dot").className = `dot ${bot.state === "ready" ? "good" : ["starting", "stopping"].includes(bot.state) ? "busy" : "bad"}`;
  const up = bot.pid ? ` · pid ${bot.pid} · up ${span(Date.now() / 1000 - bot.since)}` : "";
  $("bot-state").textContent = `Bot ${bot.state}${bot.why ? ` (${bot.why})` : ""}${up}`;
  $("bot-state").title = bot.why || "";
  $("bot-kill").disabled = !bot.pid;
  $("bot-restart").disabled = !bot.pid || bot.state === "stopping";
}

function renderLog() {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.textContent = state.log.lines.join("\n");
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function renderJoin() {
  const answer = await fetch("/playground/info");
  const info = await answer.json();
  const line = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, el("code", {}, value)));
  $("join").replaceChildren(
    el("p", {}, "Other programs can take part, over the same HTTP. All of it is at ", el("a", { href: "/playground/info" }, "/playground/info"), "."),
    el(
      "dl",
      {},
      line("Telegram Bot API", `${info.telegram.api_base_url}/bot<token>/…`),
      ...Object.entries(info.accounts).map(([name, account]) => line(`${name} (${account.provider})`, account.base_url)),
      line("The bot", info.bot.url),
      line("Command line", `${info.bot.command.join(" ")} outbox list`),
      line("Write as Ann", `POST /playground/telegram/say {"user": ${info.telegram.owner}, "chat": ${info.telegram.owner}, "text": "/help"}`),
      ...Object.entries(info.accounts).map(([name, account]) => {
        const place = account.conversations.find((one) => one.people.length);
        return line(`Speak in ${account.title}`, `POST /playground/say {"account": "${name}", "conversation": "${place.id}", "person": "${place.people[0]}", "text": "hello"}`);
      }),
      line("Make it fail", `POST /playground/switch {"name": "${state.example.tour.account}", "mode": "down"}`),
      line("See it all", "GET /playground/state, live: /playground/events"),
    ),
  );
}

// -------------------------------------------------------------------------------------------------------------- tour

const failing = (name) => state.switches[name] && state.switches[name].mode !== "ok";

const STEPS = {
  send: {
    label: () => "Write it for me",
    run() {
      toOwner();
      draft(`/send ${sendTo()} Hello from Telegram`);
    },
  },
  sms: {
    label: () => "Pick up the phone",
    run() {
      go(state.example.desk, state.example.topics[state.example.tour.topic]);
      show("providers");
      open(state.example.tour.account, state.example.tour.phone);
      $("speak").value = "Hi, is my order ready?";
      $("speak").focus();
    },
  },
  reply: {
    label: () => "Start the reply",
    run() {
      show("telegram");
      become(state.example.owner);
      go(state.example.desk, state.example.topics[state.example.tour.topic]);
      open(state.example.tour.account, state.example.tour.reply_room);
      const last = [...(messages.get(view.chat) || new Map()).values()].filter((one) => belongs(one) && one.from.bot && !one.service).pop();
      if (!last) {
        toast("There is nothing to reply to yet: send an SMS first (step 2).");
        return;
      }
      setReply(last);
      draft("Yes, you can pick it up today.");
    },
  },
  outage: {
    label: () => `${failing(state.example.tour.account) ? "Bring" : "Take"} ${tourTitle()} ${failing(state.example.tour.account) ? "back" : "down"}`,
    async run() {
      const name = state.example.tour.account;
      if (failing(name)) {
        await attempt(() => post("/playground/switch", { name, mode: "ok" }));
        return;
      }
      await attempt(() => post("/playground/switch", { name, mode: "down" }));
      toOwner();
      draft(`/send ${sendTo()} Written while ${tourTitle()} was down`);
    },
  },
  crash: { label: () => "Send five and kill it", run: () => attempt(crash) },
};

const sendTo = () => `${state.example.tour.account}:${state.example.tour.room}`;
const tourTitle = () => (state.accounts[state.example.tour.account] || {}).title || "the provider";

// Ann's private chat with the bot, beside the place that she sends to.
function toOwner() {
  show("telegram");
  become(state.example.owner);
  go(state.example.owner, null);
  open(state.example.tour.account, state.example.tour.room);
}

async function crash() {
  const owner = state.example.owner;
  const name = state.example.tour.account;
  toOwner();
  await post("/playground/switch", { name, mode: "slow", delay_s: 1.5 });
  try {
    for (let number = 1; number <= 5; number += 1)
      await post("/playground/telegram/say", { user: owner, chat: owner, text: `/send ${sendTo()} Message ${number} of 5` });
    const under_way = () => state.deliveries.rows.some((row) => row.account === name && row.state === "sending");
    await until(under_way, 8000);
    const { killed } = await post("/playground/bot", { do: "kill" });
    toast(`Process ${killed} is gone, in the middle of sending. Watch the deliveries.`);
  } finally {
    await post("/playground/switch", { name, mode: "ok", delay_s: 2 });
  }
}

// Resolves when `met` says so, at the latest after `most` milliseconds.
function until(met, most) {
  return new Promise((resolve) => {
    const end = Date.now() + most;
    const look = () => (met() || Date.now() > end ? resolve() : setTimeout(look, 50));
    look();
  });
}

function draft(text) {
  $("write").value = text;
  grow();
  suggest();
  $("write").focus();
}

function renderTour() {
  const focused = document.activeElement && document.activeElement.closest("#steps li") ? document.activeElement.closest("#steps li").dataset.step : "";
  const steps = state.tour.steps;
  const upNext = steps.find((step) => !step.done);
  $("steps").replaceChildren(
    ...steps.map((step, index) =>
      el(
        "li",
        { class: `${step.done ? "done" : ""} ${step === upNext ? "next" : ""}`, "data-step": step.id },
        el("span", { class: "tick", "aria-hidden": "true" }, step.done ? "✓" : String(index + 1)),
        el("div", {}, el("h3", {}, step.title, step.done ? el("span", { class: "hidden" }, " (done)") : null), el("p", {}, step.how), el("button", { type: "button", onclick: () => STEPS[step.id].run() }, STEPS[step.id].label())),
      ),
    ),
  );
  if (focused) document.querySelector(`#steps li[data-step="${focused}"] button`)?.focus();
  const done = steps.filter((step) => step.done).length;
  const folded = document.body.classList.contains("folded");
  const fold = () => {
    document.body.classList.toggle("folded");
    renderTour();
    $("fold").focus();
  };
  $("tour-title").replaceChildren(
    "Try this",
    el("small", {}, ` ${done} of ${steps.length} `),
    el("button", { type: "button", class: "quiet", id: "fold", "aria-expanded": String(!folded), onclick: fold }, folded ? "show" : "fold"),
  );
  if (done && done === steps.length) $("tour-title").append(el("button", { type: "button", class: "quiet", onclick: () => attempt(() => post("/playground/tour", {})) }, "start over"));
}

// ------------------------------------------------------------------------------------------------------------- frame

const two = (number) => String(number).padStart(2, "0");

function clock(seconds) {
  const at = new Date(seconds * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 90) return `${whole} s`;
  return whole < 5400 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`;
}

function show(tab) {
  document.body.dataset.tab = tab;
  for (const button of document.querySelectorAll(".tabs button")) button.setAttribute("aria-current", String(button.dataset.show === tab));
}

function takeTelegram(telegram) {
  state.telegram = telegram;
  messages.clear();
  for (const [chat, list] of Object.entries(telegram.messages)) messages.set(Number(chat), new Map(list.map((message) => [message.id, message])));
  if (!telegram.people.some((person) => person.id === view.person)) {
    view.person = state.example.owner;
    view.chat = view.person;
  }
  renderWho();
  renderChats();
  renderMessages();
}

async function refetch() {
  const answer = await fetch("/playground/state/telegram");
  if (answer.ok) takeTelegram(await answer.json());
}

const TAKE = {
  telegram: takeTelegram,
  accounts(accounts) {
    const first = !Object.keys(state.accounts).length;
    state.accounts = accounts;
    if (first) for (const { places } of Object.values(accounts)) for (const one of places) view.heard.set(one.address, lastAt(one));
    renderAccounts();
  },
  deliveries(deliveries) {
    state.deliveries = deliveries;
    renderDeliveries();
  },
  bot(bot) {
    state.bot = bot;
    renderBot();
  },
  switches(switches) {
    state.switches = switches;
    renderSwitches();
  },
  tour(tour) {
    state.tour = tour;
    renderTour();
  },
  log(log) {
    state.log = log;
    renderLog();
  },
};

function listen() {
  const source = new EventSource("/playground/events");
  const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  on("state", (all) => {
    document.body.classList.remove("away");
    state.example = all.example;
    for (const name of ["telegram", "switches", "accounts", "bot", "deliveries", "tour", "log"]) TAKE[name](all[name]);
    // Only now has everything its size.
    for (const list of ["messages", "entries"]) $(list).scrollTop = $(list).scrollHeight;
  });
  for (const [name, take] of Object.entries(TAKE)) on(name, take);
  on("message", upsert);
  on("deleted", remove);
  source.addEventListener("error", () => {
    document.body.classList.add("away");
    state.bot = {};
    renderBot();
    $("bot-dot").className = "dot bad";
    $("bot-state").textContent = "The playground does not answer; trying again …";
    // A browser gives up after some kinds of failure; then begin anew.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

function start() {
  const onSubmit = (form, work) =>
    $(form).addEventListener("submit", (event) => {
      event.preventDefault();
      work();
    });
  onSubmit("write-form", say);
  onSubmit("speak-form", speakHere);
  $("speak-form").addEventListener("keydown", (event) => event.key === "Escape" && answer(null));
  $("answering-cancel").addEventListener("click", () => answer(null));
  for (const id of ["speaker", "speaker-name"]) $(id).addEventListener("change", () => (view.speakers[place().address] = speaker()));
  $("write").addEventListener("keydown", onWriteKey);
  $("write").addEventListener("input", () => {
    grow();
    suggest();
  });
  $("write").addEventListener("blur", () => ($("suggestions").hidden = true));
  $("replying-cancel").addEventListener("click", () => setReply(null));
  $("bot-kill").addEventListener("click", () => attempt(() => post("/playground/bot", { do: "kill" })));
  $("bot-restart").addEventListener("click", () => attempt(() => post("/playground/bot", { do: "restart" })));
  for (const button of document.querySelectorAll(".tabs button")) button.addEventListener("click", () => show(button.dataset.show));
  for (const tab of document.querySelectorAll("#dock-tabs button"))
    tab.addEventListener("click", () => {
      for (const other of document.querySelectorAll("#dock-tabs button")) {
        other.setAttribute("aria-pressed", String(other === tab));
        $(other.dataset.dock).hidden = other !== tab;
      }
      if (tab.dataset.dock === "join") attempt(renderJoin);
      if (tab.dataset.dock === "log") $("log").scrollTop = $("log").scrollHeight;
    });
  show("telegram");
  setInterval(() => {
    if (document.body.classList.contains("away")) return;
    if (state.bot.pid) renderBot();
    if (state.deliveries.rows.some((row) => row.state === "queued")) renderDeliveries();
  }, 1000);
  listen();
}

start();
