// Loaded before a client's program: a connection that would leave the machine is refused, and said on stderr.

const dgram = require("node:dgram");
const net = require("node:net");

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

// The host of `connect(options)`, `connect(port, host)` and of Node's own list of arguments; undefined for a pipe.
function hostOf(given) {
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  if (typeof first === "object" && first !== null) {
    return first.path ? undefined : (first.host ?? "localhost");
  }
  return typeof second === "string" ? second : "localhost";
}

function refuse(host) {
  process.stderr.write(`REFUSED-BY-GUARD ${host}\n`);
  return new Error(`the guard refuses a connection to ${host}`);
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function guarded(...given) {
  const host = hostOf(given);
  if (host !== undefined && !LOOPBACK.test(host)) {
    process.nextTick(() => this.destroy(refuse(host)));
    return this;
  }
  return connect.apply(this, given);
};

dgram.Socket.prototype.send = function guarded() {
  throw refuse("a datagram");
};
