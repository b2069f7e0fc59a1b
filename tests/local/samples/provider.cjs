// Stream a file as a provider of an AI toolkit does: the key in the query, frames of 32 KiB without
// a pause between them, then `close_stream`, and the finals until `is_last`.
const { readFileSync } = require("node:fs");
const WebSocket = require("ws");

const options = new URLSearchParams({
  model: "pulse",
  language: "en",
  encoding: "linear16",
  sample_rate: "16000",
  word_timestamps: "true",
  api_key: process.env.SMALLEST_API_KEY,
});
const base = process.env.PULSE_URL ?? "wss://api.smallest.ai";
const socket = new WebSocket(`${base}/waves/v1/stt/live?${options}`);

socket.on("open", () => {
  const audio = readFileSync(process.argv[2]).subarray(44);
  for (let at = 0; at < audio.length; at += 32 * 1024) {
    socket.send(audio.subarray(at, at + 32 * 1024));
  }
  socket.send(JSON.stringify({ type: "close_stream" }));
});

socket.on("message", (raw) => {
  const said = JSON.parse(raw.toString());
  if (said.type === "error") throw new Error(said.message);
  if (said.is_final) console.log(`FINAL ${said.transcript}`);
  if (said.is_last) socket.close(1000);
});
