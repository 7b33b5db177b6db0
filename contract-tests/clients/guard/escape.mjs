// Tries to leave the machine by each road that a client could take, and reaches a loopback address.

import net from "node:net";

const [port] = process.argv.slice(2);
const tries = {
  name: () => fetch("https://api.openai.com/v1/models"),
  address: () => fetch("http://192.0.2.1/"),
  socket: () => connected({ host: "192.0.2.1", port: 80 }),
  arguments: () => connected(80, "192.0.2.1"),
  loopback: () => connected({ host: "127.0.0.1", port: Number(port) }),
};

function connected(...where) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(...where, () => resolve(socket.destroy()));
    socket.on("error", reject);
  });
}

const reached = {};
for (const [name, attempt] of Object.entries(tries)) {
  reached[name] = await attempt().then(
    () => true,
    () => false,
  );
}
process.stdout.write(JSON.stringify(reached));
