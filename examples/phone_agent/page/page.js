// A call by WebRTC. The microphone's audio goes out, the agent's voice comes in, and RTVI messages
// arrive on a data channel. RTVI is the message protocol of the agent's framework.
"use strict";

const byId = (id) => document.getElementById(id);
const READY_EVERY = 500; // ms between two "client-ready", until the agent answers
const call = { peer: null, channel: null, interim: null, question: null, segments: new Set(), ready: 0 };

function state(text, kind = "") {
  byId("state").textContent = text;
  byId("state").className = kind;
}

function lineState(text, isCut = false) {
  byId("line-state").textContent = text;
  byId("line-card").classList.toggle("cut", isCut);
}

function showNewest() {
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
}

new ResizeObserver(showNewest).observe(byId("scroll")); // a longer booking leaves it less room

function bubble(who) {
  const item = document.createElement("li");
  item.className = who;
  byId("talk").append(item);
  byId("hint").hidden = true;
  return item;
}

// Each interim replaces the one before; the final text replaces the last interim.
function heard({ text, final }) {
  call.interim ??= bubble("caller interim");
  call.interim.textContent = text;
  if (final) {
    call.interim.className = "caller";
    call.question = call.interim;
    call.interim = null;
  }
  showNewest();
}

// The agent's sentences arrive one by one, each as a segment that may be reported several times.
function said({ text, segment_id: segment }) {
  if (!text.trim() || call.segments.has(segment)) return;
  call.segments.add(segment);
  const last = byId("talk").lastElementChild;
  const item = last?.classList.contains("agent") ? last : bubble("agent");
  item.append(item.firstChild ? ` ${text}` : text);
  showNewest();
}

const onServer = {
  booking(slots) {
    for (const [name, value] of Object.entries(slots)) {
      const cell = document.querySelector(`[data-slot="${name}"]`);
      if (cell) cell.textContent = value ?? "–";
    }
    byId("booked").hidden = !slots.booked;
  },
  answered({ seconds }) {
    if (!call.question) return;
    const note = document.createElement("small");
    note.textContent = `answered ${seconds.toFixed(2)} s after the end of speech`;
    call.question.append(note);
    call.question = null;
    showNewest();
  },
  line({ connected, reconnects, replayed, lost }) {
    if (connected) {
      state("On the line", "live");
      lineState("Connected");
      byId("cut").disabled = !call.peer;
    } else {
      showCut();
    }
    byId("reconnects").textContent = reconnects;
    byId("replayed").textContent = `${replayed.toFixed(1)} s`;
    byId("lost").textContent = `${lost.toFixed(1)} s`;
  },
};

function showCut() {
  state("The line is cut", "cut");
  lineState("Cut off. Your words are kept, and sent when the line is back.", true);
  byId("cut").disabled = true;
}

const onMessage = {
  "bot-ready": () => { clearInterval(call.ready); },
  "user-transcription": heard,
  "bot-output": said,
  "server-message": ({ kind, ...rest }) => onServer[kind]?.(rest),
};

function receive(event) {
  const message = JSON.parse(event.data);
  if (message.message?.type === "peerLeft") end("The call is over");
  if (message.label === "rtvi-ai") onMessage[message.type]?.(message.data ?? {});
}

function sayReady() {
  const data = { version: "2.0.0", about: { library: "phone-agent-page" } };
  call.channel?.send(JSON.stringify({ label: "rtvi-ai", type: "client-ready", id: "1", data }));
}

function opened() {
  sayReady();
  call.ready = setInterval(sayReady, READY_EVERY);
  state("On the line", "live");
  byId("call").textContent = "Hang up";
  byId("call").classList.add("hang-up");
  byId("call").disabled = false;
}

async function gathered(peer) {
  if (peer.iceGatheringState === "complete") return;
  await new Promise((done) => {
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") done();
    });
  });
}

async function post(path, headers = {}, body = undefined) {
  const answer = await fetch(path, { method: "POST", headers, body });
  if (answer.status === 503) throw new Error("all lines are busy");
  if (!answer.ok) throw new Error(`the agent answers HTTP ${answer.status}`);
  return answer;
}

function clear() {
  byId("talk").replaceChildren();
  byId("hint").hidden = false;
  call.segments.clear();
  onServer.booking({ party: null, day: null, time: null, name: null, phone: null, booked: false });
}

async function begin() {
  clear();
  byId("call").disabled = true;
  state("Calling …");
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const peer = new RTCPeerConnection();
  call.peer = peer;
  call.channel = peer.createDataChannel("messages");
  call.channel.onmessage = receive;
  call.channel.onopen = opened;
  peer.ontrack = ({ streams }) => { byId("voice").srcObject = streams[0]; };
  peer.onconnectionstatechange = () => {
    if (["closed", "failed", "disconnected"].includes(peer.connectionState)) end("The call is over");
  };
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  peer.addTransceiver("video", { direction: "inactive" });
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const { token } = await (await post("/api/token")).json();
  const { sdp, type } = peer.localDescription;
  const headers = { "content-type": "application/json", "x-call-token": token };
  const answer = await post("/api/offer", headers, JSON.stringify({ sdp, type }));
  await peer.setRemoteDescription(await answer.json());
}

function end(text) {
  clearInterval(call.ready);
  call.peer?.getSenders().forEach((sender) => sender.track?.stop());
  call.peer?.close();
  call.peer = call.channel = call.interim = call.question = null;
  state(text);
  lineState("Not in use");
  byId("cut").disabled = true;
  byId("call").textContent = "Call again";
  byId("call").classList.remove("hang-up");
  byId("call").disabled = false;
}

byId("call").addEventListener("click", () => {
  if (call.peer) return end("The call is over");
  return begin().catch((error) => {
    end("");
    state(`No call: ${error.message}`, "cut");
  });
});

byId("cut").addEventListener("click", async () => {
  byId("cut").disabled = true;
  const answer = await fetch("/api/cut", { method: "POST" });
  if (answer.status === 409) lineState("The line of this agent cannot be cut from here.");
});
