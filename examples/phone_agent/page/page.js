// A call by WebRTC: the microphone out, the agent's voice in, RTVI messages on a data channel.
"use strict";

const byId = (id) => document.getElementById(id);
const call = { peer: null, channel: null, open: null, stoppedAt: 0, spoken: "" };

function state(text, kind = "") {
  byId("state").textContent = text;
  byId("state").className = kind;
}

function bubble(who, text, kind) {
  const item = document.createElement("li");
  item.className = `${who} ${kind}`;
  item.textContent = text;
  byId("talk").append(item);
  byId("hint").hidden = true;
  item.scrollIntoView({ block: "nearest" });
  return item;
}

// Interims replace each other; a final makes the bubble firm.
function heard({ text, final, user_id: speaker }) {
  const words = speaker ? `${speaker}: ${text}` : text;
  if (!call.open) call.open = bubble("caller", words, "interim");
  call.open.textContent = words;
  if (final) {
    call.open.className = "caller final";
    call.last = call.open;
    call.open = null;
  }
}

function said(text) {
  if (!text.trim()) return;
  bubble("agent", text, "final");
}

function note(text) {
  if (!call.last) return;
  const small = document.createElement("small");
  small.textContent = text;
  call.last.append(small);
}

const onServer = {
  booking(slots) {
    for (const [name, value] of Object.entries(slots)) {
      const cell = document.querySelector(`[data-slot="${name}"]`);
      if (cell) cell.textContent = value ?? "–";
    }
    byId("booked").hidden = !slots.booked;
  },
  line({ connected, reconnects, replayed, lost }) {
    state(connected ? "On the line" : "Speech-to-text is reconnecting", connected ? "live" : "cut");
    byId("reconnects").textContent = reconnects;
    byId("replayed").textContent = `${replayed.toFixed(1)} s`;
    byId("lost").textContent = `${lost.toFixed(1)} s`;
  },
};

const onMessage = {
  "user-transcription": heard,
  "user-stopped-speaking": () => { call.stoppedAt = performance.now(); },
  "bot-started-speaking": () => {
    if (!call.stoppedAt) return;
    note(`answered ${((performance.now() - call.stoppedAt) / 1000).toFixed(2)} s after the turn`);
    call.stoppedAt = 0;
  },
  "bot-transcription": ({ text }) => said(text),
  "server-message": ({ kind, ...rest }) => onServer[kind]?.(rest),
};

function receive(event) {
  const message = JSON.parse(event.data);
  if (message.label === "rtvi-ai") onMessage[message.type]?.(message.data ?? {});
}

async function gathered(peer) {
  if (peer.iceGatheringState === "complete") return;
  await new Promise((done) => {
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") done();
    });
  });
}

async function begin() {
  byId("call").disabled = true;
  state("Calling …");
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const peer = new RTCPeerConnection();
  call.peer = peer;
  call.channel = peer.createDataChannel("messages");
  call.channel.onmessage = receive;
  call.channel.onopen = () => {
    const about = { library: "phone-agent-page" };
    const ready = { label: "rtvi-ai", type: "client-ready", id: "1", data: { version: "1.0.0", about } };
    call.channel.send(JSON.stringify(ready));
    state("On the line", "live");
    byId("cut").disabled = false;
    byId("call").textContent = "Hang up";
    byId("call").disabled = false;
  };
  peer.ontrack = ({ streams }) => { byId("voice").srcObject = streams[0]; };
  peer.onconnectionstatechange = () => {
    if (["closed", "failed", "disconnected"].includes(peer.connectionState)) end("The call is over");
  };
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  peer.addTransceiver("video", { direction: "inactive" });
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const { sdp, type } = peer.localDescription;
  const answer = await fetch("/api/offer", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sdp, type }),
  });
  if (!answer.ok) throw new Error(answer.status === 503 ? "all lines are busy" : `HTTP ${answer.status}`);
  await peer.setRemoteDescription(await answer.json());
}

function end(text) {
  if (!call.peer) return;
  call.peer.getSenders().forEach((sender) => sender.track?.stop());
  call.peer.close();
  call.peer = call.channel = call.open = null;
  state(text);
  byId("cut").disabled = true;
  byId("call").textContent = "Call again";
  byId("call").disabled = false;
}

byId("call").addEventListener("click", () => {
  if (call.peer) return end("The call is over");
  return begin().catch((error) => {
    end("");
    state(`No call: ${error.message}`, "cut");
    byId("call").disabled = false;
  });
});
byId("cut").addEventListener("click", () => fetch("/api/cut", { method: "POST" }));
