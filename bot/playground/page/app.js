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
const view = { person: 0, chat: 0, thread: null, room: "", phone: "", replyTo: null, echoReply: null, unread: new Set(), seen: new Set() };
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
  $("chats").replaceChildren(
    ...places().map((place) => {
      const unread = view.unread.has(placeKey(place.chat, place.thread));
      return el(
        "button",
        {
          type: "button",
          class: `${place.topic ? "topic" : ""} ${unread ? "unread" : ""}`,
          "aria-current": place === current || (place.chat === current.chat && place.thread === current.thread) ? "true" : undefined,
          onclick: () => go(place.chat, place.thread),
        },
        el("span", { class: "name" }, place.title),
        unread ? el("span", { class: "badge", "aria-label": "new messages" }) : null,
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

function renderCinnox() {
  const cinnox = state.accounts.support;
  if (!cinnox) return;
  const rooms = Object.keys(cinnox.rooms);
  if (!rooms.includes(view.room)) view.room = rooms[0] || "";
  $("cinnox-note").textContent = cinnox.subscribed ? "" : "not subscribed yet";
  $("rooms").replaceChildren(
    ...rooms.map((room) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(room === view.room),
          onclick: () => {
            view.room = room;
            renderCinnox();
          },
        },
        room,
        el("small", {}, ` ${cinnox.rooms[room].length}`),
      ),
    ),
  );
  fill(
    $("room"),
    (cinnox.rooms[view.room] || []).map((message) =>
      el("li", { class: "in" }, el("span", { class: "number", title: "In the order of acceptance" }, `#${message.number}`), el("span", { class: "text", dir: "auto" }, message.text), el("time", {}, clock(Date.parse(message.at) / 1000))),
    ),
    "Nothing has arrived in this room.",
  );
  const sms = cinnox.sms.filter((one) => one.sender === view.phone);
  fill(
    $("sms"),
    sms.map((one) => {
      const taken = one.status >= 200 && one.status < 300;
      return el(
        "li",
        { class: taken ? "out" : "out failed" },
        el("span", { class: "text", dir: "auto" }, one.text),
        taken
          ? el("time", { title: `Patchbay answered ${one.status}` }, `✓ ${clock(Date.parse(one.at) / 1000)}`)
          : el("button", { type: "button", class: "again", onclick: () => sendSms(one.text, one.id) }, one.status ? `answered ${one.status}: again` : "not reached: again"),
      );
    }),
    `This phone sent nothing yet. Replies go to ${state.example ? state.example.reply_room : "a room"}.`,
  );
}

function fill(list, nodes, empty) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.replaceChildren(...(nodes.length ? nodes : [el("li", { class: "empty" }, empty)]));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

async function sendSms(text, id) {
  const body = { from: view.phone, text };
  if (id) body.id = id;
  const done = await attempt(() => post("/playground/sms", body));
  if (done && !done.delivered)
    toast(done.status ? `Patchbay answered ${done.status}.` : "Patchbay was not reached, and CINNOX does not promise to try again: the phone can.", "bad");
  return Boolean(done);
}

function renderEcho() {
  const echo = state.accounts.echo;
  if (!echo) return;
  const said = echo.conversations.lobby || [];
  const byId = new Map(said.filter((one) => one.id).map((one) => [one.id, one]));
  fill(
    $("lobby"),
    said.map((one) => {
      const answered = byId.get(one.reply_to);
      return el(
        "li",
        { class: one.person ? "out" : "in" },
        one.number ? el("span", { class: "number", title: "In the order of acceptance" }, `#${one.number}`) : el("b", {}, one.person),
        answered ? el("span", { class: "quote" }, answered.text.slice(0, 80)) : null,
        el("span", { class: "text", dir: "auto" }, one.text),
        one.reached === false
          ? el("span", { class: "bad" }, "not reached")
          : el("button", { type: "button", class: "reply", "aria-label": `Reply to: ${one.text.slice(0, 40)}`, onclick: () => setEchoReply(one) }, "Reply"),
        el("time", {}, `${one.edited ? "edited " : ""}${clock(one.at)}`),
      );
    }),
    "The lobby is quiet. It is linked with the topic “Echo lobby” of the Support desk, both ways.",
  );
}

function setEchoReply(one) {
  view.echoReply = one;
  $("echo-note").textContent = one ? `replying to “${one.text.slice(0, 30)}” (Esc ends)` : "";
  if (one) $("echo-text").focus();
}

function renderSwitches() {
  for (const place of document.querySelectorAll(".switch")) {
    const name = place.dataset.side;
    const shown = state.switches[name];
    if (!shown) continue;
    let select = place.querySelector("select");
    if (!select) {
      select = el(
        "select",
        { onchange: () => attempt(() => post("/playground/switch", { name, mode: select.value, remaining: null })).then(renderSwitches) },
        ...MODES.map(([value, label]) => el("option", { value }, label)),
      );
      place.append(el("label", {}, el("span", {}, "Server "), select));
    }
    if (!MODES.some(([value]) => value === shown.mode)) select.append(el("option", { value: shown.mode }, shown.mode.replace("_", " ")));
    select.value = shown.mode;
    place.closest(".panel").classList.toggle("failing", shown.mode !== "ok");
  }
  renderTour();
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
      line("Send an SMS", `POST /playground/sms {"from": "${state.example.known_number}", "text": "hello"}`),
      line("Speak in Echo", 'POST /playground/echo {"person": "Dana", "text": "hello"}'),
      line("Make it fail", 'POST /playground/switch {"name": "support", "mode": "down"}'),
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
      show("telegram");
      become(state.example.owner);
      go(state.example.owner, null);
      view.room = state.example.rooms[0];
      renderCinnox();
      draft("/send support:room-42 Hello from Telegram");
    },
  },
  sms: {
    label: () => "Pick up the phone",
    run() {
      go(state.example.desk, state.example.topics.sms);
      show("providers");
      view.phone = state.example.known_number;
      $("phone").value = view.phone;
      renderCinnox();
      $("sms-text").value = "Hi, is my order ready?";
      $("sms-text").focus();
    },
  },
  reply: {
    label: () => "Start the reply",
    run() {
      show("telegram");
      become(state.example.owner);
      go(state.example.desk, state.example.topics.sms);
      view.room = state.example.reply_room;
      renderCinnox();
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
    label: () => (failing("support") ? "Bring CINNOX back" : "Take CINNOX down"),
    async run() {
      if (failing("support")) {
        await attempt(() => post("/playground/switch", { name: "support", mode: "ok" }));
        return;
      }
      await attempt(() => post("/playground/switch", { name: "support", mode: "down" }));
      show("telegram");
      become(state.example.owner);
      go(state.example.owner, null);
      draft("/send support:room-42 Written while CINNOX was down");
    },
  },
  crash: { label: () => "Send five and kill it", run: () => attempt(crash) },
};

async function crash() {
  const owner = state.example.owner;
  become(owner);
  go(owner, null);
  view.room = state.example.rooms[0];
  renderCinnox();
  show("telegram");
  await post("/playground/switch", { name: "support", mode: "slow", delay_s: 1.5 });
  try {
    for (let number = 1; number <= 5; number += 1)
      await post("/playground/telegram/say", { user: owner, chat: owner, text: `/send support:room-42 Message ${number} of 5` });
    const under_way = () => state.deliveries.rows.some((row) => row.account === "support" && row.state === "sending");
    await until(under_way, 8000);
    const { killed } = await post("/playground/bot", { do: "kill" });
    toast(`Process ${killed} is gone, in the middle of sending. Watch the deliveries.`);
  } finally {
    await post("/playground/switch", { name: "support", mode: "ok", delay_s: 2 });
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
    state.accounts = accounts;
    renderPhones();
    renderCinnox();
    renderEcho();
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

function renderPhones() {
  const select = $("phone");
  const wanted = new Set([state.example.known_number, state.example.other_number, ...state.accounts.support.sms.map((one) => one.sender)]);
  const there = [...select.options].map((option) => option.value);
  for (const number of wanted)
    if (!there.includes(number)) select.append(el("option", { value: number }, number === state.example.known_number ? `${number} (has a topic)` : number));
  if (!view.phone) view.phone = select.value;
}

function listen() {
  const source = new EventSource("/playground/events");
  const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  on("state", (all) => {
    document.body.classList.remove("away");
    state.example = all.example;
    for (const name of ["telegram", "switches", "accounts", "bot", "deliveries", "tour", "log"]) TAKE[name](all[name]);
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
  onSubmit("sms-form", async () => {
    const text = $("sms-text").value;
    if (text.trim() && (await sendSms(text))) $("sms-text").value = "";
  });
  onSubmit("echo-form", async () => {
    const body = { person: $("echo-person").value, text: $("echo-text").value };
    if (!body.text.trim()) return;
    if (view.echoReply) body.reply_to = view.echoReply.id;
    if (await attempt(() => post("/playground/echo", body))) {
      $("echo-text").value = "";
      setEchoReply(null);
    }
  });
  $("echo-form").addEventListener("keydown", (event) => event.key === "Escape" && setEchoReply(null));
  $("write").addEventListener("keydown", onWriteKey);
  $("write").addEventListener("input", () => {
    grow();
    suggest();
  });
  $("write").addEventListener("blur", () => ($("suggestions").hidden = true));
  $("replying-cancel").addEventListener("click", () => setReply(null));
  $("phone").addEventListener("change", (event) => {
    view.phone = event.target.value;
    renderCinnox();
  });
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
