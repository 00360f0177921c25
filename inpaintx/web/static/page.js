// A picture that is pasted anywhere on the page becomes the photo, as if it had been chosen: its bytes stay as they are.
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
  const input = document.querySelector("#photo input[type=file]");
  if (!file || !input) return;
  const list = new DataTransfer();
  list.items.add(file);
  input.files = list.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  event.preventDefault();
});
