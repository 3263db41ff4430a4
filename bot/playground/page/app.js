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

const state = { telegram: null, accounts: {}, deliveries: { rows: [], balance: {} }, schedules: { rows: [] }, bot: {}, switches: {}, tour: { steps: [] }, log: { lines: [] }, example: null };
const view = { person: 0, chat: 0, thread: null, replyTo: null, editing: null, picking: "", files: [], unread: new Set(), account: "", as: 0, folded: 0, sharing: null, places: {}, speakers: {}, answering: null, changing: null, picture: null, heard: new Map() };
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

const PLANS = { on: "planned", paused: "paused", waits: "to approve" };

const OPS = { edit: "edit", delete: "deletion", react: "reaction", open: "new topic", pin: "pin" };

// ---------------------------------------------------------------------------------------------------- talking to it

const FILE_MOST = 20 * 2 ** 20;
const REACTIONS = ["👍", "❤", "🔥", "🎉", "😁", "😢", "👎"];

const post = (path, body) => request(path, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

async function upload(file) {
  if (file.size > FILE_MOST) throw new Error(`${file.name} is over 20 MB, the most that can be sent here.`);
  return (await request(`/playground/upload?name=${encodeURIComponent(file.name)}`, { body: file })).file;
}

async function request(path, what) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", ...what });
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
    found.push({ chat: chat.id, thread: null, title: chat.title, kind: chat.is_forum ? "General" : chat.type === "channel" ? "channel" : "group", forum: chat.is_forum });
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
  setFiles([]);
  view.as = 0;
  view.sharing = null;
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
        el("span", { title: person.gone ? "This account was deleted" : undefined }, person.name, person.role ? el("small", {}, ` ${person.role}`) : null),
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
  renderWriting();
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

// Whether and as whom one writes here, the buttons that the bot put before one, and the switch that belongs to the place.
function renderWriting() {
  const chat = chatOf(view.chat);
  const person = state.telegram.people.find((one) => one.id === view.person);
  const alone = view.chat === view.person;
  const readOnly = chat && chat.type === "channel" && !chat.admins.includes(view.person);
  const away = person.gone || (alone && person.blocked);
  $("write-line").hidden = away || readOnly;
  $("blocked").hidden = !away && !readOnly;
  $("unblock").hidden = person.gone || readOnly;
  $("blocked").dataset.why = person.gone ? "This account was deleted." : readOnly ? "Only admins write in a channel." : "";
  const faces = alone || !chat || chat.type !== "supergroup" ? [] : speakers(chat, person);
  $("speak-as").hidden = faces.length < 2;
  if (!faces.some(([id]) => id === view.as)) view.as = 0;
  redraw($("speak-as"), [faces], () => faces.map(([id, name]) => el("option", { value: String(id) }, name)));
  $("speak-as").value = String(view.as);
  const [label, title] = alone ? [person.blocked ? "" : "block the bot", "What the bot writes to this person is refused then"] : privacy(chat);
  $("chat-switch").hidden = !label || (!alone && chat?.type === "channel") || person.gone;
  $("chat-switch").textContent = label;
  $("chat-switch").title = title;
  renderKeyboard(chat);
}

function privacy(chat) {
  const on = state.telegram.bot.privacy;
  const hears = chat?.hears_all ?? !on;
  const here = hears ? "Here the bot hears everything." : "Here the bot hears commands and replies to it alone.";
  const note = "A change counts in a group once the bot is added there anew; as an admin it hears everything anyway.";
  return [`privacy mode ${on ? "on" : "off"}`, `${here} ${note}`];
}

function speakers(chat, person) {
  const found = [[0, chat.admins.includes(person.id) ? `as ${person.name}` : person.name]];
  if (chat.admins.includes(person.id)) found.push([chat.id, "as anonymous admin"]);
  for (const one of state.telegram.chats) if (one.type === "channel" && one.owner === person.id) found.push([one.id, `as ${one.title}`]);
  return found;
}

function switchHere() {
  const alone = view.chat === view.person;
  return attempt(() => (alone ? post("/playground/telegram/block", { user: view.person }) : post("/playground/telegram/privacy", { on: !state.telegram.bot.privacy })));
}

function renderKeyboard(chat) {
  const shown = chat && chat.keyboards[view.person];
  const open = shown && view.folded !== shown.message && $("blocked").hidden;
  if (!open) view.sharing = null;
  $("keyboard").hidden = !open;
  $("write").placeholder = (open && shown.placeholder) || "Message";
  redraw($("keyboard"), [open && shown, view.sharing, view.person, open && state.telegram.chats.map((one) => [one.id, one.title])], () => {
    if (!open) return [];
    if (view.sharing) return sharing(shown);
    return shown.rows.map((row) => el("div", { class: "keys" }, ...row.map((key) => el("button", { type: "button", "data-key": key.text, onclick: () => pressKey(shown, key) }, key.asks ? `${key.text} …` : key.text))));
  });
}

// What one can pick for a button that asks for a chat or for people.
function sharing(shown) {
  const key = view.sharing;
  const fits = (chat) => chat.type !== "private" && chat.members.includes(view.person) && (chat.type === "channel") === key.channel && (key.forum === undefined || key.forum === null || key.forum === chat.is_forum);
  const found = key.asks === "request_chat" ? state.telegram.chats.filter(fits).map((chat) => [chat.id, chat.title]) : state.telegram.people.filter((one) => !one.gone).map((one) => [one.id, one.name]);
  const body = (id) => ({ user: view.person, button: key.text, ...(key.asks === "request_chat" ? { chat: id } : { users: [id] }) });
  const share = (id) => attempt(() => post(`/playground/telegram/${key.asks === "request_chat" ? "share_chat" : "share_users"}`, body(id))).then((done) => done && used(shown));
  const back = () => {
    view.sharing = null;
    renderWriting();
  };
  return [
    el("p", { class: "note" }, found.length ? `${key.text}: which one?` : "There is none that was asked for."),
    el("div", { class: "keys" }, ...found.map(([id, name]) => el("button", { type: "button", "data-key": String(id), onclick: () => share(id) }, name)), el("button", { type: "button", "data-key": "back", onclick: back }, "Back")),
  ];
}

async function pressKey(shown, key) {
  if (["request_chat", "request_users"].includes(key.asks)) {
    view.sharing = key;
    renderWriting();
    return;
  }
  if (await attempt(() => post("/playground/telegram/key", { user: view.person, chat: view.chat, label: key.text }))) used(shown);
}

function used(shown) {
  view.sharing = null;
  if (shown.one_time) view.folded = shown.message;
  renderWriting();
}

// ------------------------------------------------------------------------------------------- what a message can hold

const PICTURE_HEIGHT = 220; // as in style.css

// What shows a picture, by message and address: drawn anew it would be fetched anew, and flicker.
const pictures = new Map();

function attachment(file, key) {
  if (!file) return null;
  const words = [file.kind, file.emoji, file.name, file.duration && `${file.duration} s`, file.size && bytes(file.size)].filter(Boolean).join(" · ");
  if (!file.is_picture) return el("a", { class: "file", href: file.url, download: file.name || file.kind }, `📎 ${words}`);
  const of = `${key} ${file.url}`;
  if (!pictures.has(of)) pictures.set(of, picture(file, words));
  return pictures.get(of);
}

function picture(file, words) {
  const image = el("img", { class: "picture", src: file.url, alt: words, title: words });
  const link = el("a", { class: "shown", href: file.url, target: "_blank", rel: "noopener noreferrer" }, image);
  image.addEventListener("error", () => link.replaceChildren(`📎 ${words}`));
  image.addEventListener("load", () => {
    const list = link.closest(".messages");
    if (list && leftAtEnd.get(list) !== false) list.scrollTop = list.scrollHeight;
  });
  return link;
}

// Whether a list was last left at its end, where it is to stay when a picture makes it longer.
const leftAtEnd = new WeakMap();

function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  return size < 1e6 ? `${Math.round(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

// Places, contacts and polls, in words.
function facts({ venue, location, contact, poll }) {
  if (poll) return el("div", { class: "fact" }, el("b", {}, `📊 ${poll.question}`), ...(poll.options || []).map((option) => el("span", {}, `○ ${option.text}`)));
  if (contact) return el("div", { class: "fact" }, el("b", {}, `👤 ${[contact.first_name, contact.last_name].filter(Boolean).join(" ")}`), el("span", {}, contact.phone_number));
  const where = (venue && venue.location) || location;
  if (!where) return null;
  const [lat, lon] = [Number(where.latitude), Number(where.longitude)];
  const map = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`;
  return el(
    "div",
    { class: "fact" },
    venue ? el("b", {}, venue.title) : null,
    venue ? el("span", {}, venue.address) : null,
    el("span", {}, `📍 ${lat}, ${lon} `, el("a", { href: map, target: "_blank", rel: "noopener noreferrer" }, "on a map")),
  );
}

// What one can do with a message; with the emoji to choose from where that was asked for.
function acts(key, work) {
  const button = ([name, label, run, title]) => el("button", { type: "button", "data-key": `${name} ${key}`, onclick: run, title }, label);
  return el("div", { class: "acts" }, ...work.filter(Boolean).map(button));
}

function strip(key, react) {
  if (view.picking !== key) return null;
  const choose = (emoji) => {
    pick("");
    react(emoji);
  };
  return el("div", { class: "strip", role: "group", "aria-label": "React with" }, ...REACTIONS.map((emoji) => el("button", { type: "button", onclick: () => choose(emoji) }, emoji)));
}

function pick(key) {
  const before = view.picking;
  view.picking = before === key ? "" : key;
  for (const message of (messages.get(view.chat) || new Map()).values())
    if ([before, key].includes(`${message.chat}/${message.id}`)) $(`m${message.id}`)?.replaceWith(bubble(message));
  renderAccount();
  document.querySelector(".strip")?.scrollIntoView({ block: "nearest" });
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
  const mine = message.author === view.person;
  const key = `${message.chat}/${message.id}`;
  const start = () => setReply(message);
  const clicked = (event) => {
    if (!message.gone && !event.target.closest("a, button") && !String(getSelection())) start();
  };
  const react = (emoji) => {
    const given = (message.reacted || []).some(([actor, one]) => actor === view.person && one === emoji);
    attempt(() => post("/playground/telegram/react", { user: view.person, chat: view.chat, message: message.id, emoji: given ? null : emoji }));
  };
  const work = [
    ["reply", "Reply", start],
    ["react", "React", () => pick(key)],
    mine && hasWords(message) && ["edit", "Edit", () => setEdit(message)],
    mine && hasWords(message) && ["back", "Take back", () => edit(message, "."), "Edits it to a single dot: Telegram tells no bot that a message was deleted"],
  ];
  return el(
    "article",
    { class: `bubble ${mine ? "mine" : ""} ${message.from.bot ? "by-bot" : ""} ${message.gone ? "gone" : ""} ${message.album ? "album" : ""}`, id: `m${message.id}`, onclick: clicked },
    mine && message.from.id === view.person ? null : el("div", { class: "from" }, message.from.name, message.from.bot ? el("small", {}, " bot") : null),
    message.forwarded ? el("div", { class: "meta" }, "forwarded") : null,
    message.reply_to
      ? el("div", { class: "quote" }, el("b", {}, message.reply_to.name), el("span", {}, message.reply_to.text))
      : null,
    attachment(message.file, key),
    facts(message),
    message.text ? el("div", { class: "text", dir: "auto" }, ...rich(message.text, message.entities)) : null,
    el(
      "div",
      { class: "foot" },
      ...counted(message.reactions).map(([emoji, count]) => {
        const word = MARKS[emoji] ? el("small", {}, ` ${MARKS[emoji]}`) : null;
        return el("span", { class: "reaction" }, count > 1 ? `${emoji} ${count}` : emoji, word);
      }),
      message.pinned && !message.gone ? el("span", {}, "📌 pinned") : null,
      el("time", {}, `${message.gone ? "deleted " : message.edited ? "edited " : ""}${clock(message.date)}`),
    ),
    message.gone ? null : acts(key, work),
    message.gone ? null : strip(key, react),
    ...message.buttons.map((row) =>
      el("div", { class: "keys" }, ...row.map((button) => el("button", { type: "button", class: button.style || "", onclick: (event) => press(message, button, event.currentTarget) }, button.url ? `${button.text} ↗` : button.text))),
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
    // A command in a text is there to be taken up, as in Telegram's apps.
    if (over.some((entity) => entity.type === "bot_command")) return el("button", { type: "button", class: `command ${names}`, onclick: () => draft(piece) }, piece);
    return el("span", { class: names }, piece);
  });
}

async function press(message, button, node) {
  if (button.url && followLink(button.url)) return;
  if (button.url) {
    toast(`This button opens ${button.url}`);
    return;
  }
  node.classList.add("pressed");
  const done = await attempt(() => post("/playground/press", { user: view.person, chat: view.chat, message: message.id, data: button.data }));
  node.classList.remove("pressed");
  if (done && done.answer === null) toast("The bot did not answer the press yet.");
  else if (done && done.answer.text && done.answer.show_alert) alarm(done.answer.text);
  else if (done && done.answer.text) toast(done.answer.text);
}

// A link that opens this bot, as Telegram's apps would: it is started in private, or added to a group and started there.
function followLink(url) {
  const found = /^https:\/\/(?:t|telegram)\.me\/(\w+)\?(start|startgroup)(?:=([\w-]*))?(?:&.*)?$/.exec(url);
  if (!found || found[1].toLowerCase() !== state.telegram.bot.username.toLowerCase()) return false;
  const [, , how, payload = ""] = found;
  const groups = state.telegram.chats.filter((chat) => chat.type.endsWith("group") && chat.admins.includes(view.person));
  if (how === "startgroup" && !groups.length) toast(`${personName(view.person)} is in no group as an admin.`);
  else if (how === "startgroup") {
    const group = groups.find((chat) => chat.id === view.chat) || groups[0];
    attempt(() => post("/playground/telegram/start_in_group", { user: view.person, chat: group.id, payload })).then(() => go(group.id, null));
  } else attempt(() => post("/playground/telegram/start", { user: view.person, payload })).then(() => go(view.person, null));
  return true;
}

// What Telegram shows in a box that has to be closed.
function alarm(text) {
  $("alert-text").textContent = text;
  if (!$("alert").open) $("alert").showModal();
}

function upsert(message) {
  if (!messages.has(message.chat)) messages.set(message.chat, new Map());
  const known = messages.get(message.chat);
  const isNew = !known.has(message.id);
  known.set(message.id, message);
  if (message.chat > 0 && !chatOf(message.chat)) refetch();
  if (!belongs(message)) {
    if (isNew && !message.service && message.author !== view.person) {
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
    if (message.asks_reply) setReply(message);
  }
  if (atEnd || message.author === view.person) list.scrollTop = list.scrollHeight;
}

// What is deleted stays to be seen until the page is loaded again: it was there.
function remove({ chat, id }) {
  const message = messages.get(chat)?.get(id);
  if (!message) return;
  if (message.service) messages.get(chat).delete(id);
  else message.gone = true;
  if (chat !== view.chat) return;
  const there = $(`m${id}`);
  if (message.service) there?.remove();
  else there?.replaceWith(bubble(message));
}

function setReply(message) {
  if (view.editing) {
    view.editing = null;
    draft("");
  }
  view.replyTo = message;
  $("replying").hidden = !message;
  if (!message) return;
  about("replying", "Replying to", message.from.name, message.what);
  $("write").focus();
}

function setEdit(message) {
  setReply(null);
  view.editing = message;
  $("replying").hidden = false;
  about("replying", "Editing:", "", message.what);
  draft(message.text);
}

function about(bar, how, name, text) {
  $(`${bar}-how`).textContent = how;
  $(`${bar}-name`).textContent = name && `${name}:`;
  $(`${bar}-text`).textContent = text.slice(0, 80);
}

// Whether it has a text or can have a caption: nothing else can be edited.
const hasWords = (message) => Boolean(message.text) || ["photo", "video", "animation", "audio", "voice", "document"].includes(message.file?.kind);

const edit = (message, text) => attempt(() => post("/playground/telegram/edit", { user: view.person, chat: message.chat, message: message.id, text }));

function grow() {
  const box = $("write");
  box.rows = Math.min(5, box.value.split("\n").length);
}

function setFiles(files) {
  view.files = [...files];
  $("files").value = "";
  $("picked").hidden = !view.files.length;
  $("picked-names").textContent = view.files.map((file) => file.name).join(", ");
  setKinds(false);
  if (view.files.length) $("write").focus();
}

function setKinds(shown) {
  $("kinds").hidden = !shown;
  $("attach").setAttribute("aria-expanded", String(shown));
}

// Places, contacts and polls as Telegram's apps would make them.
const SAMPLES = {
  location: () => ({ location: { latitude: 51.50335, longitude: -0.11966 } }),
  contact: () => ({ contact: { phone_number: "+15550100142", first_name: "Robin", last_name: "Reed" } }),
  poll: () => ({
    poll: {
      id: String(Date.now()),
      question: "When shall we meet?",
      options: ["Today", "Tomorrow", "Never"].map((text, number) => ({ persistent_id: String(number), text, voter_count: 0 })),
      total_voter_count: 0,
      is_closed: false,
      is_anonymous: true,
      type: "regular",
      allows_multiple_answers: false,
      allows_revoting: false,
      members_only: false,
    },
  }),
};

// Where the next message of this person goes.
function whither() {
  const body = { user: view.person, chat: view.chat };
  if (view.thread) body.thread = view.thread;
  if (view.replyTo) body.reply_to = view.replyTo.id;
  if (view.as) body.sender_chat = view.as;
  return body;
}

async function sendSample(kind) {
  setKinds(false);
  if (await attempt(() => post("/playground/telegram/content", { ...whither(), content: SAMPLES[kind]() }))) setReply(null);
}

async function sendFiles(text) {
  const body = whither();
  if (text.trim()) body.text = text;
  body.files = [];
  for (const file of view.files) body.files.push(await upload(file));
  return post("/playground/send_files", body);
}

async function busy(button, work) {
  if ($(button).disabled) return undefined;
  $(button).disabled = true;
  try {
    return await attempt(work);
  } finally {
    $(button).disabled = false;
  }
}

async function say() {
  const text = $("write").value;
  if (!text.trim() && (view.editing || !view.files.length)) return;
  if (view.editing) {
    if (await edit(view.editing, text)) setReply(null);
    return;
  }
  const link = view.chat === view.person && !view.replyTo && !view.files.length && /^\/start(?: (\S+))?$/.exec(text.trim());
  const done = await (link ? attempt(() => post("/playground/telegram/start", { user: view.person, payload: link[1] || "" })) : view.files.length ? busy("write-send", () => sendFiles(text)) : attempt(() => post("/playground/telegram/say", { ...whither(), text })));
  if (!done) return;
  $("write").value = "";
  grow();
  setFiles([]);
  setReply(null);
  suggest();
}

// The menu that Telegram shows this person in this chat.
const menu = () => state.telegram.menus_shown[state.telegram.menu_of[`${view.chat}/${view.person}`]] || [];

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
  setPicture(null);
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
  redraw(list, [current.address, current.hint, current.entries, view.picking], () =>
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
  const { replies, repeats, can } = account();
  const key = `${view.account}/${one.id}`;
  const there = one.id && !one.gone;
  const act = (path, more) => attempt(() => post(`/playground/${path}`, { account: view.account, id: one.id, ...more }));
  const work = [
    replies && ["reply", "Reply", () => answer(one)],
    can.includes("react") && ["react", "React", () => pick(key)],
    one.out && can.includes("change") && ["edit", "Edit", () => setChange(one)],
    one.out && can.includes("take_back") && ["back", "Take back", () => act("take_back")],
  ];
  return el(
    "article",
    { class: `bubble ${one.out ? "mine" : "by-bot"} ${one.out && !taken ? "failed" : ""} ${one.gone ? "gone" : ""}` },
    el("div", { class: "from" }, who, one.number ? el("small", { title: "In the order of acceptance" }, ` #${one.number}`) : null),
    one.reply_to ? el("div", { class: "quote" }, answered ? el("b", {}, answered.person || "Patchbay") : null, el("span", {}, answered ? answered.text.slice(0, 120) : "an earlier message")) : null,
    ...(one.files || []).map((file) => attachment(file, key)),
    one.text ? el("div", { class: "text", dir: "auto" }, ...linked(one.text)) : null,
    el(
      "div",
      { class: "foot" },
      ...counted(one.marks || []).map(([mark, count]) => el("span", { class: "reaction" }, count > 1 ? `${mark} ${count}` : mark)),
      one.out && !taken ? (repeats ? el("button", { type: "button", class: "again", onclick: again }, `${lost}: again`) : el("span", { class: "bad" }, lost)) : null,
      el("time", { title: one.out && taken ? `Patchbay answered ${one.status}` : undefined }, `${one.gone ? "deleted " : one.edited ? "edited " : ""}${one.out && taken ? "✓ " : ""}${clock(one.at)}`),
    ),
    there && work.some(Boolean) ? acts(key, work) : null,
    there ? strip(key, (emoji) => act("react", { emoji, person: speaker() })) : null,
  );
}

// Addresses in plain text can be followed; a mark behind one is not part of it.
function linked(text) {
  const pieces = text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/);
  return pieces.map((piece, index) => (index % 2 ? el("a", { href: piece, target: "_blank", rel: "noopener noreferrer" }, piece) : piece));
}

function renderSpeakers(current) {
  const silent = !current.people.length && !current.anybody;
  $("speak-line").hidden = silent;
  $("read-only").hidden = !silent;
  $("read-only").textContent = silent ? "One can only read here: nobody speaks in this place." : "";
  $("attach-there").hidden = !account().can.includes("picture");
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
  if (view.changing) {
    view.changing = null;
    $("speak").value = "";
  }
  view.answering = one;
  $("answering").hidden = !one;
  if (!one) return;
  about("answering", "Replying to", one.person || "Patchbay", one.text || one.files?.[0]?.kind || "");
  $("speak").focus();
}

function setChange(one) {
  answer(null);
  setPicture(null);
  view.changing = one;
  $("answering").hidden = false;
  about("answering", "Editing:", "", one.text);
  $("speak").value = one.text;
  $("speak").focus();
}

function setPicture(file) {
  view.picture = file;
  $("picture-there").value = "";
  $("shown-there").hidden = !file;
  $("shown-there-name").textContent = file ? file.name : "";
  if (file) $("speak").focus();
}

async function speak(said) {
  return told(() => post("/playground/say", { account: view.account, ...said }));
}

async function told(work) {
  const done = await attempt(work);
  if (done && !done.delivered) toast(`Patchbay answered ${done.status}.`, "bad");
  return Boolean(done);
}

async function speakHere() {
  const text = $("speak").value;
  const { changing, picture, answering } = view;
  if (!text.trim() && (changing || !picture)) return;
  const said = { conversation: place().id, person: speaker() };
  if (text.trim()) said.text = text;
  if (answering) said.reply_to = answering.id;
  const name = view.account;
  const show = async () => {
    const file = await upload(picture);
    delete said.reply_to;
    return post("/playground/picture", { account: name, ...said, file });
  };
  const work = changing ? () => post("/playground/change", { account: name, id: changing.id, text }) : picture ? show : () => post("/playground/say", { account: name, ...said });
  if (!(await busy("speak-send", async () => ({ ok: await told(work) })))?.ok) return;
  $("speak").value = "";
  setPicture(null);
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
        el("td", { class: "text", title: row.text }, OPS[row.op] ? el("small", {}, `${OPS[row.op]} `) : null, row.parts > 1 ? `(${row.part}/${row.parts}) ${row.text}` : row.text),
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

function renderSchedules() {
  const { rows } = state.schedules;
  $("no-plans").hidden = rows.length > 0;
  $("plans").replaceChildren(
    ...rows.map((row) =>
      el(
        "tr",
        { class: row.state === "on" ? "" : "s-held" },
        el("td", { class: "id" }, String(row.id)),
        el("td", { title: row.when }, row.name ? el("small", {}, `${row.name} `) : null, el("code", {}, row.rule)),
        el("td", {}, el("span", { class: "state" }, row.next.length ? PLANS[row.state] || row.state : "over")),
        el("td", { class: "id", title: row.targets.join(", ") }, String(row.targets.length)),
        el("td", { class: "text", title: row.text }, row.text),
        el("td", { class: "why", title: row.next.map(instant).join("\n") }, coming(row)),
      ),
    ),
  );
}

const instant = (at) => new Date(at * 1000).toLocaleString([], { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function coming(row) {
  if (!row.next.length) return "";
  const [first, ...rest] = row.next;
  const seconds = first - Date.now() / 1000;
  const ahead = seconds > 2 * 86400 ? `in ${Math.round(seconds / 86400)} days` : seconds > 0 ? `in ${span(seconds)}` : "now";
  return [`${instant(first)} (${ahead})`, ...rest.map(instant)].join(" · ");
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
      line("Send a file as Ann", `POST /playground/upload?name=a.png with its bytes, then POST /playground/send_files {"user": ${info.telegram.owner}, "chat": ${info.telegram.owner}, "files": ["u1"]}`),
      ...Object.entries(info.accounts).filter(([, account]) => account.can.length).map(([name, account]) => line(`Also in ${account.title}`, account.can.map((act) => `POST /playground/${act} {"account": "${name}", …}`).join(", "))),
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
  announce: {
    label: () => "Write it for me",
    run() {
      toOwner();
      draft("/announce @everyone | We open at ten tomorrow.");
    },
  },
  schedule: {
    label: () => "Write it for me",
    run() {
      toOwner();
      $("dock-tabs").querySelector('[data-dock="planned"]').click();
      draft(`/schedule in 20s | ${sendTo()} | Planned twenty seconds ago`);
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
  for (const [id, list] of Object.entries(telegram.messages)) {
    const chat = Number(id);
    const found = new Map(list.map((message) => [message.id, message]));
    const gone = [...(messages.get(chat) || new Map()).values()].filter((message) => message.gone && !found.has(message.id));
    messages.set(chat, new Map([...gone, ...found.values()].sort((a, b) => a.id - b.id).map((message) => [message.id, message])));
  }
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
  schedules(schedules) {
    state.schedules = schedules;
    renderSchedules();
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
    messages.clear();
    pictures.clear();
    for (const name of ["telegram", "switches", "accounts", "bot", "deliveries", "schedules", "tour", "log"]) TAKE[name](all[name]);
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
  for (const list of ["messages", "entries"])
    $(list).addEventListener("scroll", ({ target }) => leftAtEnd.set(target, target.scrollHeight - target.scrollTop - target.clientHeight < PICTURE_HEIGHT + 60));
  $("answering-cancel").addEventListener("click", () => answer(null));
  for (const id of ["speaker", "speaker-name"]) $(id).addEventListener("change", () => (view.speakers[place().address] = speaker()));
  $("write").addEventListener("keydown", onWriteKey);
  $("write").addEventListener("input", () => {
    grow();
    suggest();
  });
  $("write").addEventListener("blur", () => ($("suggestions").hidden = true));
  $("replying-cancel").addEventListener("click", () => setReply(null));
  $("attach").addEventListener("click", () => setKinds($("kinds").hidden));
  $("menu").addEventListener("mousedown", (event) => event.preventDefault());
  $("menu").addEventListener("click", () => draft("/"));
  $("messages").addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && followLink(link.getAttribute("href"))) event.preventDefault();
  });
  $("kind-link").addEventListener("click", () => {
    go(view.person, null);
    draft("/start ");
  });
  $("unblock").addEventListener("click", () => attempt(() => post("/playground/telegram/start", { user: view.person })));
  $("chat-switch").addEventListener("click", switchHere);
  $("speak-as").addEventListener("change", () => (view.as = Number($("speak-as").value)));
  $("kind-files").addEventListener("click", () => $("files").click());
  for (const kind of document.querySelectorAll("[data-kind]")) kind.addEventListener("click", () => sendSample(kind.dataset.kind));
  $("files").addEventListener("change", () => setFiles($("files").files));
  $("picked-cancel").addEventListener("click", () => setFiles([]));
  $("write").addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    setFiles(event.clipboardData.files);
  });
  $("attach-there").addEventListener("click", () => $("picture-there").click());
  $("picture-there").addEventListener("change", () => setPicture($("picture-there").files[0] || null));
  $("shown-there-cancel").addEventListener("click", () => setPicture(null));
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
    if (!$("planned").hidden) renderSchedules();
  }, 1000);
  listen();
}

start();
