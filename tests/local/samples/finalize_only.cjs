// Send a file as fast as it goes, ask for its words with `finalize`, and wait for `is_last`, which
// the service sends after `close_stream` only: it prints every word and then waits for ever.
const { readFileSync } = require("node:fs");
const WebSocket = require("ws");

const options = new URLSearchParams({
  language: "en",
  sample_rate: "16000",
  encoding: "linear16",
  word_timestamps: "true",
});
const base = process.env.PULSE_URL ?? "wss://api.smallest.ai";
const socket = new WebSocket(`${base}/waves/v1/pulse/get_text?${options}`, {
  headers: { Authorization: `Bearer ${process.env.SMALLEST_API_KEY}` },
});

socket.on("open", () => {
  const audio = readFileSync(process.argv[2]).subarray(44); // past the header of a WAV file
  for (let at = 0; at < audio.length; at += 3200) {
    socket.send(audio.subarray(at, at + 3200));
  }
  socket.send(JSON.stringify({ type: "finalize" }));
});

socket.on("message", (raw) => {
  const said = JSON.parse(raw.toString());
  console.log(`${said.is_final ? "FINAL" : "interim"} ${said.transcript}`);
  if (said.is_last) socket.close();
});
