/**
 * The demo page: a chat over WAMP (`/chat`), an open pub/sub (`/pubsub`) and an echo (`/echo`).
 *
 * Whatever comes from other people gets into the page as text, never as markup.
 */

import { CallError, connect } from "./ratchet.js";

const $ = (id) => document.getElementById(id);

const LOBBY = "Lobby";
const KEPT_MESSAGES = 300;
const KEPT_LINES = 60;
const SAME_BREATH = 5 * 60_000; // messages of one person so close together share a head

// ------------------------------------------------------------------ small things

/** An element with a class, and text or children. */
function el(tag, className = "", ...content) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  element.append(...content);
  return element;
}

/** Storage that may be switched off. */
const store = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Then it is forgotten.
    }
  },
};

/** A colour of one's own, always the same for a name. */
function hue(name) {
  let hash = 0;
  for (const char of name) {
    hash = (hash * 31 + char.codePointAt(0)) % 3600;
  }
  return (hash * 137) % 360;
}

function dress(avatar, name) {
  avatar.textContent = [...name][0]?.toUpperCase() ?? "?";
  avatar.style.setProperty("--hue", hue(name));
  return avatar;
}

function avatarOf(name) {
  const avatar = dress(el("span", "avatar"), name);
  avatar.setAttribute("aria-hidden", "true");
  return avatar;
}

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    $("toast").hidden = true;
  }, 5000);
}

function explain(error) {
  toast(error instanceof CallError ? error.desc : "That did not work: there is no connection.");
}

/** One tooth further with every message. */
let clicks = 0;
function click() {
  clicks += 1;
  $("wheel").style.setProperty("--turn", `${clicks * 30}deg`);
}

// ------------------------------------------------------------------ theme

const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

function labelTheme() {
  const other = isDark() ? "light" : "dark";
  $("theme").setAttribute("aria-label", `Switch to the ${other} theme`);
  document.documentElement.classList.toggle("is-dark", isDark());
}

$("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  store.set("theme", theme);
  labelTheme();
});
system.addEventListener("change", labelTheme);
labelTheme();

// ------------------------------------------------------------------ drawers of a small screen

function closeDrawers() {
  const open = document.querySelector(".side.open");
  if (!open) {
    return;
  }
  open.classList.remove("open");
  $("backdrop").hidden = true;
  const opener = document.querySelector(`[data-drawer="${open.id}"]`);
  opener.setAttribute("aria-expanded", "false");
  if (open.contains(document.activeElement)) {
    opener.focus();
  }
}

for (const opener of document.querySelectorAll("[data-drawer]")) {
  opener.addEventListener("click", () => {
    closeDrawers();
    const side = $(opener.dataset.drawer);
    side.classList.add("open");
    $("backdrop").hidden = false;
    opener.setAttribute("aria-expanded", "true");
    side.querySelector("[data-close]").focus();
  });
}
for (const closer of document.querySelectorAll("[data-close]")) {
  closer.addEventListener("click", closeDrawers);
}
$("backdrop").addEventListener("click", closeDrawers);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    closeDrawers();
  }
});

// ------------------------------------------------------------------ the state of the connection

let countdown;

function showState(state, text) {
  $("status").dataset.state = state;
  $("status-text").textContent = text;
  const online = state === "open";
  for (const control of [$("message"), $("send"), $("me")]) {
    control.disabled = !online;
  }
}

function showBanner(text) {
  // The same words again would be read aloud again.
  if ($("banner-text").textContent !== text) {
    $("banner-text").textContent = text;
  }
  $("banner").hidden = false;
}

function hideBanner() {
  clearInterval(countdown);
  $("banner").hidden = true;
  $("banner-text").textContent = "";
}

// ------------------------------------------------------------------ chat

const chat = {
  session: null,
  name: store.get("name"),
  ids: new Set(), // our session ids, one after the other
  room: null, // {id, title}
  subscription: null,
  rooms: new Map(),
  people: new Map(),
  seen: new Set(), // messages on the page, so that a history after a loss adds only new ones
  last: null, // the message above, for its head
  unread: 0,
};

function isMine(person) {
  return chat.ids.has(person.id) || person.name === chat.name;
}

function showName() {
  $("me-name").textContent = chat.name;
  dress($("me-avatar"), chat.name);
}

function showTitle() {
  const unread = chat.unread ? `(${chat.unread}) ` : "";
  document.title = `${unread}${chat.room ? `${chat.room.title} – ` : ""}ratchet_py`;
}

function showRooms() {
  $("rooms").replaceChildren(
    ...[...chat.rooms.values()].map(({ id, title, people }) => {
      const link = el("a", "room-link", el("span", "hash", "#"), el("bdi", "", title));
      link.firstChild.setAttribute("aria-hidden", "true");
      link.href = `#${encodeURIComponent(title)}`;
      if (id === chat.room?.id) {
        link.setAttribute("aria-current", "page");
      }
      if (people > 0) {
        const words = people === 1 ? " person" : " people";
        link.append(el("span", "badge", String(people), el("span", "sr", words)));
      }
      return el("li", "", link);
    }),
  );
}

function showPeople() {
  const people = [...chat.people.values()].sort(
    (a, b) => isMine(b) - isMine(a) || a.name.localeCompare(b.name),
  );
  $("people").replaceChildren(
    ...people.map((person) => {
      const item = el("li", "person", avatarOf(person.name), el("bdi", "", person.name));
      if (isMine(person)) {
        item.append(el("span", "you", "you"));
      }
      return item;
    }),
  );
  $("count").textContent = String(people.length);
}

let atEnd = true; // whether the end of the stream is in view, and is to stay there

function toEnd() {
  $("stream").scrollTop = $("stream").scrollHeight;
  $("newer").hidden = true;
  atEnd = true;
}

/** Put something at the end of the stream. */
function append(element, mine = false) {
  const stream = $("stream");
  stream.append(element);
  while (stream.childElementCount > KEPT_MESSAGES) {
    stream.firstElementChild.remove();
  }
  if (atEnd || mine) {
    toEnd();
  } else {
    $("newer").hidden = false;
  }
}

function note(...content) {
  chat.last = null;
  append(el("p", "note", ...content));
}

function timeOf(stamp) {
  const date = new Date(stamp);
  const time = el("time", "", date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = date.toISOString();
  return time;
}

function showMessage(message) {
  const { from, text, time } = message;
  const key = `${time}/${message.id}`;
  if (chat.seen.has(key)) {
    return;
  }
  chat.seen.add(key);
  const mine = isMine(from);
  const follows = chat.last?.from.id === from.id && time - chat.last.time < SAME_BREATH;
  const bubble = el("div", "bubble");
  bubble.dir = "auto";
  bubble.textContent = text;
  const article = el("article", `message${mine ? " mine" : ""}${follows ? " follows" : ""}`);
  const head = el("p", "message-head", el("bdi", "who", mine ? "You" : from.name), timeOf(time));
  article.style.setProperty("--hue", hue(from.name));
  article.append(avatarOf(from.name), el("div", "body", head, bubble));
  chat.last = message;
  append(article, mine);
}

function enter({ room, people, history }) {
  chat.people = new Map(people.map((person) => [person.id, person]));
  // Not all of the history aloud.
  $("stream").setAttribute("aria-busy", "true");
  history.forEach(showMessage);
  if ($("stream").childElementCount === 0) {
    note("This is the beginning of ", el("bdi", "", room.title), ". Say something!");
  }
  $("stream").setAttribute("aria-busy", "false");
  toEnd();
  showPeople();
}

/** What each event of a room does. */
const roomEvents = {
  welcome: enter,
  join({ person }) {
    chat.people.set(person.id, person);
    showPeople();
    note(el("bdi", "", person.name), " has come in");
  },
  leave({ person }) {
    chat.people.delete(person.id);
    showPeople();
    note(el("bdi", "", person.name), " has left");
  },
  name({ person, old }) {
    chat.people.set(person.id, person);
    showPeople();
    note(el("bdi", "", old), " is now ", el("bdi", "", person.name));
  },
  message(message) {
    showMessage(message);
    click();
    if (document.hidden) {
      chat.unread += 1;
      showTitle();
    }
  },
  gone() {
    toast("That room is no longer there.");
    location.hash = "";
  },
};

/** What each event of the list of rooms does. */
const listEvents = {
  rooms({ rooms }) {
    chat.rooms = new Map(rooms.map((room) => [room.id, room]));
    showRooms();
  },
  room({ room }) {
    chat.rooms.set(room.id, room);
    showRooms();
  },
  gone({ id }) {
    chat.rooms.delete(id);
    showRooms();
  },
};

function wantedRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim() || LOBBY;
  } catch {
    return LOBBY; // a stray % in the address
  }
}

let joining = Promise.resolve();

/** Go to the room that the address names; one after the other, the last one wins. */
function join() {
  joining = joining.then(async () => {
    const title = wantedRoom();
    try {
      const room = await chat.session.call("createRoom", title);
      if (room.id === chat.room?.id) {
        return;
      }
      await chat.subscription?.unsubscribe();
      chat.room = room;
      chat.people.clear();
      chat.seen.clear();
      chat.last = null;
      $("stream").replaceChildren();
      atEnd = true;
      $("newer").hidden = true;
      $("room").textContent = room.title;
      showTitle();
      showRooms();
      chat.subscription = await chat.session.subscribe(`room/${room.id}`, (_topic, event) => {
        if (chat.room === room) {
          roomEvents[event.type]?.(event);
        }
      });
    } catch (error) {
      explain(error);
      if (error instanceof CallError && title !== LOBBY) {
        location.hash = chat.room ? encodeURIComponent(chat.room.title) : "";
      }
    }
  });
  return joining;
}

/** After every welcome: our name, and our room, which a server that was started anew lacks. */
async function prepare(session) {
  const { name, limits } = await session.call("hello", chat.name);
  chat.ids.add(session.sessionId);
  chat.name = name;
  showName();
  $("message").maxLength = limits.message;
  $("new-room-title").maxLength = limits.title;
  $("name").maxLength = limits.name;
  if (chat.room) {
    await session.call("createRoom", chat.room.title).catch(() => {
      // Then there are too many: our subscription will be answered with "gone".
    });
  }
}

async function startChat() {
  try {
    chat.session = await connect("/chat", { prepare, callTimeout: 10_000 });
  } catch {
    showState("lost", "Offline");
    showBanner("The chat cannot be reached.");
    $("retry").onclick = () => location.reload();
    return;
  }
  $("retry").onclick = () => chat.session.reconnect();
  chat.session.on("reconnecting", ({ attempt, delay }) => {
    showState("lost", "Reconnecting");
    showBanner("Connection lost. Trying again …");
    clearInterval(countdown);
    const until = Date.now() + delay;
    const tick = () => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      $("retry").textContent = seconds > 1 ? `Try now (${seconds} s)` : "Try now";
    };
    tick();
    countdown = setInterval(tick, 500);
    $("status").title = `Attempt ${attempt}`;
  });
  chat.session.on("reconnect", () => {
    hideBanner();
    showState("open", "Connected");
    note("Connected again");
  });
  chat.session.on("close", ({ reconnecting, reason }) => {
    if (!reconnecting) {
      clearInterval(countdown);
      showState("lost", "Closed");
      showBanner(`The server has closed the connection${reason ? `: ${reason}` : ""}.`);
      $("retry").textContent = "Reload";
      $("retry").onclick = () => location.reload();
    }
  });
  await chat.session.subscribe("rooms", (_topic, event) => listEvents[event.type]?.(event));
  await join();
  showState("open", "Connected");
  addEventListener("hashchange", () => {
    closeDrawers();
    join();
  });
}

function fitComposer() {
  const field = $("message");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 140)}px`;
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("message").value.trim();
  if (!text || !chat.room) {
    return;
  }
  try {
    await chat.session.publish(`room/${chat.room.id}`, text);
    $("message").value = "";
    fitComposer();
  } catch (error) {
    explain(error);
  }
  $("message").focus();
});
$("message").addEventListener("input", fitComposer);
$("message").addEventListener("keydown", (event) => {
  // Enter also ends the input of a Chinese or Japanese word.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});

$("stream").addEventListener("scroll", () => {
  const stream = $("stream");
  atEnd = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 40;
  if (atEnd) {
    $("newer").hidden = true;
  }
});
// A keyboard on the screen, a banner, a longer message being written: the end stays in view.
new ResizeObserver(() => {
  if (atEnd) {
    toEnd();
  }
}).observe($("stream"));
$("newer").addEventListener("click", toEnd);

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    chat.unread = 0;
    showTitle();
  }
});

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const title = $("new-room-title").value.trim();
  if (title) {
    $("new-room-title").value = "";
    location.hash = encodeURIComponent(title);
  }
});

$("me").addEventListener("click", () => {
  $("name").value = chat.name;
  $("name-error").textContent = "";
  $("name-dialog").showModal();
  $("name").select();
});
$("name-cancel").addEventListener("click", () => $("name-dialog").close());
$("name-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { name } = await chat.session.call("setName", $("name").value);
    chat.name = name;
    store.set("name", name);
    showName();
    showPeople();
    $("name-dialog").close();
  } catch (error) {
    $("name-error").textContent =
      error instanceof CallError ? error.desc : "There is no connection just now.";
  }
});

// ------------------------------------------------------------------ pub/sub

/** A line of a log: which way it went, and the text. */
function logLine(log, direction, text, extra = "") {
  const arrow = el("span", "arrow", { out: "→", in: "←", info: "·" }[direction]);
  const line = el("p", `line ${direction}`, arrow, el("span", "wire-text", text));
  if (extra) {
    line.append(el("span", "extra", extra));
  }
  log.append(line);
  while (log.childElementCount > KEPT_LINES) {
    log.firstElementChild.remove();
  }
  log.scrollTop = log.scrollHeight;
}

async function startPubSub() {
  const log = $("pubsub-log");

  /** A WebSocket that shows what goes through it. */
  class ShownWebSocket extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => logLine(log, "in", data));
    }

    send(data) {
      logLine(log, "out", data);
      super.send(data);
    }
  }

  let session;
  try {
    session = await connect("/pubsub", { WebSocket: ShownWebSocket });
  } catch {
    logLine(log, "info", "/pubsub cannot be reached");
    return;
  }
  const buttons = document.querySelectorAll("#subscribe button, #publish button");
  const enable = (on) => buttons.forEach((button) => (button.disabled = !on));
  enable(true);
  session.on("close", ({ code, reconnecting }) => {
    logLine(log, "info", `closed (${code})${reconnecting ? ", reconnecting" : ""}`);
    enable(false);
  });
  session.on("reconnect", () => enable(true));

  const topics = new Set();
  const showTopics = () => {
    $("topics").replaceChildren(
      ...[...topics].map((topic) => {
        const drop = el("button", "chip", el("bdi", "", topic), el("span", "cross", "×"));
        drop.type = "button";
        drop.setAttribute("aria-label", `Unsubscribe from ${topic}`);
        drop.addEventListener("click", async () => {
          topics.delete(topic);
          showTopics();
          await session.unsubscribe(topic);
        });
        return el("li", "", drop);
      }),
    );
  };
  $("subscribe").addEventListener("submit", async (event) => {
    event.preventDefault();
    const topic = $("topic").value;
    if (!topics.has(topic)) {
      topics.add(topic);
      showTopics();
      await session.subscribe(topic, () => {
        // What comes is on the wire already.
      });
    }
  });
  $("publish").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const excludeMe = $("exclude-me").checked;
      await session.publish($("topic").value, $("event").value, { excludeMe });
    } catch (error) {
      explain(error);
    }
  });
}

// ------------------------------------------------------------------ echo

function startEcho() {
  const log = $("echo-log");
  let socket = null;
  let sent = []; // when each message went out that is not back yet

  /** A socket that is open, the one of before if it still is. */
  function open() {
    if (socket !== null && socket.readyState <= WebSocket.OPEN) {
      return socket;
    }
    const url = new URL("/echo", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    sent = [];
    socket.addEventListener("open", () => logLine(log, "info", "connected"));
    socket.addEventListener("close", ({ code }) => logLine(log, "info", `closed (${code})`));
    socket.addEventListener("message", ({ data }) => {
      logLine(log, "in", data, `${(performance.now() - sent.shift()).toFixed(1)} ms`);
    });
    return socket;
  }

  $("echo").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("echo-text").value;
    const current = open();
    const send = () => {
      sent.push(performance.now());
      logLine(log, "out", text);
      current.send(text);
    };
    if (current.readyState === WebSocket.OPEN) {
      send();
    } else {
      current.addEventListener("open", send, { once: true });
    }
  });
}

startChat();
startPubSub();
startEcho();
