// The connection: messages out, messages and pictures in, and trying again when it breaks.

const RETRY_MS = 1500;

export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return { head: JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), buffer, at: 4 + length };
}

export class Line {
  // told: {message(text object), bytes(unpacked), closed(reason)}
  constructor(told) {
    this.told = told;
    this.socket = null;
    this.session = "";
    this.token = sessionStorage.getItem("token") || "";
    this.connect();
  }

  get open() { return this.socket !== null && this.socket.readyState === WebSocket.OPEN; }

  send(type, value, more = {}) {
    if (this.open) this.socket.send(JSON.stringify({ type, value, ...more }));
    return this.open;
  }

  sendBytes(bytes) { if (this.open) this.socket.send(bytes); }

  connect() {
    const query = new URLSearchParams();
    if (this.session) query.set("session", this.session);
    if (this.token) query.set("token", this.token);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/dream?${query}`);
    let full = "";
    let opened = false;
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => { opened = true; });
    socket.addEventListener("message", (event) => {
      if (event.data instanceof ArrayBuffer) { this.told.bytes(unpack(event.data)); return; }
      const message = JSON.parse(event.data);
      if (message.type === "full") { full = `${message.value} people are dreaming already: this page waits for a free seat`; return; }
      if (message.type === "hello") this.session = message.session;
      this.told.message(message);
    });
    socket.addEventListener("close", (event) => {
      let why = full || "the program has ended, or the connection is lost: trying again";
      if (event.code === 1008) why = `refused: ${event.reason}`;
      else if (!opened && this.token) why = "cannot connect; is the token in the address right?";
      this.told.closed(why);
      setTimeout(() => this.connect(), RETRY_MS);
    });
  }
}
