// Paints the hole on a canvas over the photo's preview, and sends the mask alone, as a PNG, after each stroke.
// props.value: { photo: its address, mask: "data:image/png;base64,...", size: [width, height], stamp }
const COLOR = "rgb(228, 40, 90)";
const at = (name) => element.querySelector(`[data-do=${name}]`);
const [image, canvas, ring, view, sheet] = ["img", "canvas", ".ring", ".view", ".sheet"].map((s) => element.querySelector(s));
const context = canvas.getContext("2d", { willReadFrequently: true });
const past = [], future = [], MOST = 30;
let erasing = false, last = null, stamp = null, cursor = null;

const radius = () => Number(at("size").value) / 2;
const snapshot = () => context.getImageData(0, 0, canvas.width, canvas.height);

function fit() {
  if (!canvas.width) return;
  const room = [view.clientWidth || element.clientWidth, Math.max(240, window.innerHeight * 0.74)];
  const scale = Math.min(room[0] / canvas.width, room[1] / canvas.height, 2) * Number(at("zoom").value);
  sheet.style.width = `${Math.round(canvas.width * scale)}px`;
  sheet.style.height = `${Math.round(canvas.height * scale)}px`;
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
}

function show(point) {
  const scale = canvas.clientWidth / canvas.width;
  ring.hidden = !point;
  if (!point) return;
  ring.style.left = `${point[0] * scale}px`;
  ring.style.top = `${point[1] * scale}px`;
  ring.style.width = ring.style.height = `${2 * radius() * scale}px`;
}

function draw(from, to) {
  context.globalCompositeOperation = erasing ? "destination-out" : "source-over";
  context.strokeStyle = COLOR;
  context.lineCap = "round";
  context.lineWidth = 2 * radius();
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.fillStyle = COLOR; // a line without length draws nothing
  context.beginPath();
  context.arc(...to, radius(), 0, 2 * Math.PI);
  context.fill();
}

function remember() {
  past.push(snapshot());
  if (past.length > MOST) past.shift();
  future.length = 0;
}

function buttons() {
  at("undo").disabled = !past.length;
  at("redo").disabled = !future.length;
  at("brush").setAttribute("aria-pressed", String(!erasing));
  at("eraser").setAttribute("aria-pressed", String(erasing));
}

function send() {
  buttons();
  stamp = `page-${Date.now()}`;
  props.value = { ...props.value, mask: canvas.toDataURL("image/png"), stamp };
  trigger("painted");
}

function step(from, to) {
  if (!from.length) return;
  to.push(snapshot());
  context.putImageData(from.pop(), 0, 0);
  send();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  last = place(event);
  draw(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  const point = (cursor = place(event));
  show(point);
  if (!last) return;
  draw(last, point);
  last = point;
});
for (const end of ["pointerup", "pointercancel"])
  canvas.addEventListener(end, () => {
    if (!last) return;
    last = null;
    send();
  });
canvas.addEventListener("pointerleave", () => show(null));
canvas.addEventListener("focus", () => {
  cursor = cursor || [canvas.width / 2, canvas.height / 2];
  show(cursor);
});
canvas.addEventListener("blur", () => show(null));
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key in moves) {
    const by = Math.max(2, radius() / 2) * (event.shiftKey ? 5 : 1);
    cursor = cursor.map((v, k) => Math.min([canvas.width, canvas.height][k], Math.max(0, v + by * moves[event.key][k])));
    show(cursor);
  } else if (event.key === " ") {
    remember();
    draw(cursor, cursor);
    send();
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) step(past, future);
  else return;
  event.preventDefault();
});
at("brush").onclick = () => { erasing = false; buttons(); };
at("eraser").onclick = () => { erasing = true; buttons(); };
at("undo").onclick = () => step(past, future);
at("redo").onclick = () => step(future, past);
at("zoom").oninput = fit;
new ResizeObserver(fit).observe(element);

function load() {
  const value = props.value;
  if (!value || !value.photo || value.stamp === stamp) return;
  stamp = value.stamp;
  if (image.getAttribute("src") !== value.photo) {
    image.src = value.photo;
    past.length = future.length = 0;
    [canvas.width, canvas.height] = value.size;
    at("size").value = Math.round(Math.max(...value.size) / 25);
    fit();
  } else remember();
  context.clearRect(0, 0, canvas.width, canvas.height);
  buttons();
  if (!value.mask) return;
  const mask = new Image();
  mask.onload = () => context.drawImage(mask, 0, 0);
  mask.src = value.mask;
}
watch("value", load);
load();
