// The part of the package `ws` that the samples use, on Node's own WebSocket, for machines where the
// package is not installed: node --experimental-websocket, with this folder in NODE_PATH.
class StandIn {
  constructor(url, options = {}) {
    this.socket = new WebSocket(url, { headers: options.headers ?? {} });
    this.socket.binaryType = "arraybuffer";
  }
  on(event, handler) {
    this.socket.addEventListener(event, (came) => {
      if (event === "message") handler(Buffer.from(came.data));
      else if (event === "close") handler(came.code, Buffer.from(came.reason));
      else handler(came);
    });
    return this;
  }
  send(data) {
    this.socket.send(data);
  }
  close(code) {
    this.socket.close(code);
  }
}
module.exports = StandIn;
