// npm `ws`. A CommonJS module, so that NODE_PATH tells where the package is.
"use strict";
const { WebSocketServer } = require("ws");

const app = process.argv[2];
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  backlog: 4096,
  perMessageDeflate: false,
});
server.on("listening", () => console.log("PORT", server.address().port));
server.on("connection", (client) => {
  client.on("error", () => {});
  client.on("message", (data, isBinary) => {
    if (app === "chat") {
      for (const other of server.clients) other.send(data, { binary: isBinary });
    } else {
      client.send(data, { binary: isBinary });
    }
  });
});
// The benchmark is gone.
process.stdin.on("end", () => process.exit(0)).resume();
