// Post a whole file to the pre-recorded endpoint; print its text.
const { readFileSync } = require("node:fs");

const base = process.env.PULSE_HTTP_URL ?? "https://api.smallest.ai";
const options = new URLSearchParams({ model: "pulse", language: "en", word_timestamps: "true" });

fetch(`${base}/waves/v1/pulse/get_text?${options}`, {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.SMALLEST_API_KEY}`,
    "Content-Type": "application/octet-stream",
  },
  body: readFileSync(process.argv[2]),
})
  .then((answer) => answer.json())
  .then((said) => console.log(`FINAL ${said.transcription}`));
