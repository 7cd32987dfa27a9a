// The figure of cues: shows R2 of M for the annotations that are ticked.
for (const box of document.querySelectorAll(".avmc-cues:not([data-live])")) {
  box.dataset.live = "";
  const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
  const form = box.querySelector("form"), said = box.querySelector("output");
  const share = box.querySelector(".share"), interval = box.querySelector(".interval");
  const words = { T: "the words", A: "the voice", V: "the face" };
  const joined = names => names.length < 2 ? names.join("") :
    names.slice(0, -1).join(", ") + " and " + names[names.length - 1];
  const show = () => {
    const fields = new FormData(form), cues = fields.getAll("cue");
    const found = data[fields.get("part")][fields.get("band")];
    const [estimate, low, high] = cues.length ? found.r2[cues.join("")] : [0, 0, 0];
    const percent = value => (100 * Math.max(value, 0)).toFixed(1) + "%";
    share.style.width = percent(estimate);
    interval.style.left = percent(low);
    interval.style.width = percent(high - low);
    said.textContent = cues.length
      ? "What annotators judged from " + joined(cues.map(cue => words[cue])) + (cues.length > 1 ? " explains " : " alone explains ") +
        (100 * estimate).toFixed(0) + " % of the variation of the overall sentiment [" + (100 * low).toFixed(0) + ", " + (100 * high).toFixed(0) +
        "], over " + found.clips.toLocaleString("en") + " clips."
      : "Tick at least one.";
  };
  form.hidden = false;
  box.querySelector("details").open = false;
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", show);
  show();
}
