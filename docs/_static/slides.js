// Arrow keys go through the slides; a slide that is higher than the screen scrolls.
Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.03,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  navigationMode: "default",
}).then(() => {
  const named = (slide) => {
    const overflows = slide.scrollHeight > slide.clientHeight + 1;
    if (overflows) slide.tabIndex = 0;
  };
  const all = () => document.querySelectorAll(".slides section section").forEach(named);
  all();
  Reveal.on("slidechanged", (event) => named(event.currentSlide));
  document.addEventListener("toggle", all, true);
});
