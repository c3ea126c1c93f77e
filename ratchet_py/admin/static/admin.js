/** The admin page: draws what the server says about itself each second. */

import { connect } from "/ratchet.js";

const SECONDS = 300;
const BLOCKED = 0.1;

const $ = (id) => document.getElementById(id);

// ------------------------------------------------------------------ theme

const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

function labelTheme() {
  $("theme").setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  document.documentElement.classList.toggle("is-dark", isDark());
}

$("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is switched off: it lasts as long as the page.
  }
  labelTheme();
});
system.addEventListener("change", labelTheme);
labelTheme();

// ------------------------------------------------------------------ numbers as people read them

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function count(number) {
  return number < 100_000 ? whole.format(number) : short.format(number);
}

function rate(number) {
  return number > 0 && number < 10 ? number.toFixed(1) : count(number);
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit > 0 && number < 10 ? number.toFixed(1) : Math.round(number)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 1) {
    const ms = seconds * 1000;
    return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  if (seconds < 100) {
    return `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
  }
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
  ];
  const [size, name] = units.find(([least]) => seconds >= least);
  return `${Math.floor(seconds / size)} ${name}`;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// ------------------------------------------------------------------ charts

/** A nice number that is no smaller: 1, 2, 5, 10, 20, ... */
function ceiling(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return [1, 2, 5, 10].find((step) => step * power >= number) * power;
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

/** Lines over the last five minutes, with the reading of the second under the pointer. */
class Chart {
  constructor(element, reading, label, series) {
    this.element = element;
    this.reading = reading;
    this.label = label;
    this.series = series; // [{ className, column, name }]
    this.history = [];
    this.at = null; // how far from the left the pointer is, 0 to 1
    element.addEventListener("pointermove", (event) => {
      const box = element.getBoundingClientRect();
      this.at = Math.min(1, Math.max(0, (event.clientX - box.left) / this.plotWidth(box.width)));
      this.draw();
    });
    element.addEventListener("pointerleave", () => {
      this.at = null;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(element);
  }

  plotWidth(width) {
    return Math.max(width - 44, 1);
  }

  show(history) {
    this.history = history;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === 0) {
      return;
    }
    const right = this.plotWidth(width);
    const [top, bottom] = [8, height - 20];
    const columns = this.series.map(({ column }) => column);
    const most = Math.max(0, ...this.history.flatMap((row) => columns.map((index) => row[index])));
    const scale = ceiling(most);
    const newest = this.history.length > 0 ? this.history.at(-1)[0] : 0;
    const x = (row) => right * (1 - (newest - row[0]) / SECONDS);
    const y = (value) => bottom - ((bottom - top) * value) / scale;

    const picture = svg("svg", {
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `${this.label}, the last five minutes: at most ${rate(most)}`,
    });
    for (const part of [0, 0.5, 1]) {
      const level = Math.round(y(scale * part)) + 0.5;
      picture.append(svg("line", { class: "grid", x1: 0, x2: right, y1: level, y2: level }));
      if (scale > 1 || part !== 0.5) {
        const text = svg("text", { x: right + 8, y: level + 4 });
        text.textContent = count(scale * part);
        picture.append(text);
      }
    }
    const marks = [[5, "start"], [4], [3], [2], [1], [0, "end"]];
    for (const [minutes, anchor] of marks.filter(([minutes]) => width > 400 || minutes % 5 < 1 || minutes === 2)) {
      const text = svg("text", {
        x: right * (1 - (minutes * 60) / SECONDS),
        y: height - 3,
        "text-anchor": anchor ?? "middle",
      });
      text.textContent = minutes === 0 ? "now" : `−${minutes} min`;
      picture.append(text);
    }
    const rows = this.history.filter((row) => x(row) >= 0);
    if (rows.length > 1) {
      for (const { className, column } of this.series) {
        const line = rows.map((row) => `${x(row).toFixed(1)},${y(row[column]).toFixed(1)}`).join(" ");
        const area = `${x(rows[0]).toFixed(1)},${bottom} ${line} ${x(rows.at(-1)).toFixed(1)},${bottom}`;
        picture.append(svg("polygon", { class: `area ${className}`, points: area }));
        picture.append(svg("polyline", { class: `line ${className}`, points: line }));
      }
    }
    this.reading.textContent = "";
    if (this.at !== null && rows.length > 0) {
      const pointed = right * this.at;
      const row = rows.reduce((a, b) => (Math.abs(x(b) - pointed) < Math.abs(x(a) - pointed) ? b : a));
      picture.append(svg("line", { class: "cursor", x1: x(row), x2: x(row), y1: top, y2: bottom }));
      const figures = this.series.map(({ column, name }) => `${rate(row[column])}${name}`).join(", ");
      this.reading.textContent = `${new Date(row[0] * 1000).toLocaleTimeString()}: ${figures}`;
    }
    this.element.replaceChildren(picture);
  }
}

const charts = [
  new Chart($("connections-chart"), $("connections-reading"), "Connections", [
    { className: "out", column: 1, name: "" },
  ]),
  new Chart($("messages-chart"), $("messages-reading"), "Messages a second", [
    { className: "in", column: 2, name: " in" },
    { className: "out", column: 3, name: " out" },
  ]),
];

// ------------------------------------------------------------------ figures

let history = [];
let isDraining = false;

/** A list of bars; `rows` are { what, where, number, part, bad, title }. */
function bars(list, rows) {
  list.replaceChildren(
    ...rows.map(({ what, where, number, part, bad, title }) => {
      const item = make("li", bad ? "bad" : "", "");
      item.title = title ?? what;
      item.style.setProperty("--part", `${(100 * part).toFixed(1)}%`);
      item.append(make("bdi", "what", what), make("span", "where", where), make("span", "number", number));
      return item;
    }),
  );
  $(`${list.id}-empty`).hidden = rows.length > 0;
}

function chips(element, rows) {
  element.replaceChildren(
    ...rows.map(([name, number]) => {
      const chip = make("span", "chip", `${name} `);
      chip.append(make("b", "", count(number)));
      return chip;
    }),
  );
  if (rows.length === 0) {
    element.append(make("span", "none", "none"));
  }
}

function show(now) {
  $("tagline").textContent = `${now.version}, watched for ${duration(now.uptime)}`;
  $("health").dataset.state = now.isWell ? "well" : "unwell";
  $("health-text").textContent = now.health;
  $("connections").textContent = count(now.connections);
  $("connections-detail").textContent = `${count(now.connectionsInAll)} in all`;
  $("received").textContent = rate(now.received);
  $("received-detail").textContent = `${bytes(now.bytesIn)}/s`;
  $("sent").textContent = rate(now.sent);
  $("sent-detail").textContent = `${bytes(now.bytesOut)}/s`;
  $("waiting").textContent = bytes(now.waiting);
  $("waiting-detail").textContent = `slowest client: ${bytes(now.waitingMost)}`;
  $("lag").textContent = duration(now.lag);
  $("lag").dataset.state = now.lag >= BLOCKED ? "bad" : "";
  $("lag-detail").textContent = `last minute: ${duration(now.lagMost)}`;

  const shown = now.topics.length < now.topicsInAll ? `the top ${now.topics.length} of ` : "";
  $("topics-note").textContent = now.topicsInAll
    ? `${shown}${count(now.topicsInAll)}, with ${count(now.subscriptions)} subscriptions`
    : "";
  const severalRoutes = new Set(now.topics.map(({ path }) => path)).size > 1;
  const largest = Math.max(1, ...now.topics.map(({ subscribers }) => subscribers));
  bars(
    $("topics"),
    now.topics.map(({ id, path, subscribers }) => ({
      what: id,
      where: severalRoutes ? path : "",
      number: count(subscribers),
      part: subscribers / largest,
    })),
  );
  const slowest = Math.max(0.001, ...now.slowest.map(({ seconds }) => seconds));
  bars(
    $("slowest"),
    now.slowest.map(({ what, seconds, times, at }) => ({
      what,
      where: `${count(times)} ×`,
      number: duration(seconds),
      part: seconds / slowest,
      bad: seconds >= BLOCKED,
      title: `${what}: last at ${new Date(at * 1000).toLocaleTimeString()}`,
    })),
  );

  $("routes").replaceChildren(
    ...now.routes.map((route) => {
      const row = document.createElement("tr");
      row.append(
        make("td", "", route.path),
        make("td", "", count(route.connections)),
        make("td", "", count(route.received)),
        make("td", "", count(route.sent)),
        make("td", route.blocked ? "bad" : "", route.blocked ? `${count(route.blocked)} ×` : "never"),
      );
      return row;
    }),
  );
  chips(
    $("closed"),
    now.closed.map(({ by, code, count: times }) => [`${code} by ${by}`, times]),
  );
  chips(
    $("refused"),
    now.refused.map(({ status, count: times }) => [status, times]),
  );
  chips(
    $("exceeded"),
    now.exceeded.map(({ limit, count: times }) => [limit, times]),
  );
  const { broker } = now;
  $("broker-part").hidden = !broker;
  if (broker) {
    $("broker-state").textContent = broker.isUp ? "connected" : "the broker is lost";
    chips($("broker"), Object.entries(broker).filter(([what, times]) => what !== "isUp" && times));
  }

  isDraining = now.isDraining;
  $("drain").textContent = isDraining ? "Resume" : "Drain";
  $("drain").disabled = false;
}

// ------------------------------------------------------------------ drain and resume

$("drain").addEventListener("click", () => {
  const verb = isDraining ? "Resume" : "Drain";
  $("drain-title").textContent = isDraining ? "Take clients again?" : "Drain this server?";
  $("drain-about").textContent = isDraining
    ? "/healthz says ok again, and the load balancer sends new clients."
    : "/healthz says 503, and the load balancer sends new clients elsewhere. Those who are here stay.";
  $("drain-submit").textContent = verb;
  $("drain-error").textContent = "";
  $("drain-dialog").showModal();
});

$("drain-cancel").addEventListener("click", () => $("drain-dialog").close());

$("drain-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("drain-error").textContent = "";
  try {
    const answer = await fetch(isDraining ? "/resume" : "/drain", {
      method: "POST",
      headers: { Authorization: `Bearer ${$("token").value}` },
    });
    if (answer.ok) {
      $("drain-dialog").close();
    } else {
      $("drain-error").textContent =
        answer.status === 401 ? "That is not the token; the log has it." : `The answer is ${answer.status}.`;
    }
  } catch {
    $("drain-error").textContent = "The server does not answer.";
  }
});

// ------------------------------------------------------------------ the connection

function status(state, text) {
  $("status").dataset.state = state;
  $("status-text").textContent = text;
  $("figures").dataset.fresh = state === "open" ? "yes" : "no";
  if (state !== "open") {
    $("health").dataset.state = "unknown";
    $("health-text").textContent = "–";
    $("drain").disabled = true;
  }
}

async function open() {
  const session = await connect("/live", {
    prepare: async (opened) => {
      history = await opened.call("history");
    },
    // Whoever left us, and however: this page is to be there when the server is back.
    reconnect: { maxDelay: 3_000, shouldReconnect: () => true },
  });
  session.on("close", () => status("lost", "Lost, trying again"));
  session.on("reconnect", () => status("open", "Live"));
  await session.subscribe("now", (topic, now) => {
    const newest = history.at(-1)?.[0] ?? 0;
    if (now.time > newest) {
      history.push([now.time, now.connections, now.received, now.sent, now.lag]);
      history.splice(0, history.length - SECONDS);
    }
    for (const chart of charts) {
      chart.show(history);
    }
    show(now);
    $("wheel").style.setProperty("--turn", `${Math.floor(now.uptime) * 15}deg`);
  });
  status("open", "Live");
}

async function openAgain() {
  try {
    await open();
  } catch {
    status("lost", "No connection");
    setTimeout(openAgain, 2_000);
  }
}

openAgain();
