// The figure of the mixup: draws the pair that is chosen and says what the networks predict at the lambda that is chosen.
for (const box of document.querySelectorAll(".avmc-mix:not([data-live])")) {
  box.dataset.live = "";
  const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
  const form = box.querySelector("form"), told = box.querySelector("output");
  const slider = form.querySelector("[name='weight']"), drawn = box.querySelector(".of .drawn");
  const number = value => (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(3);
  const show = () => {
    const fields = new FormData(form), step = Number(fields.get("weight"));
    const found = data[fields.get("modality")][fields.get("pair")], weight = step / Number(slider.max);
    const sentences = Array.from(box.querySelectorAll(".panels > div"), (panel, index) => {
      const network = found.networks[index], x = network.x[step];
      panel.querySelector("path.said").setAttribute("d", network.said);
      panel.querySelector("path.meant").setAttribute("d", network.meant);
      panel.querySelectorAll("text.end").forEach((text, end) => { text.textContent = found.ends[end]; });
      for (const line of panel.querySelectorAll("line.at")) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
      const circle = panel.querySelector("circle"), square = panel.querySelector("rect");
      circle.setAttribute("cx", x); circle.setAttribute("cy", network.y[step][0]);
      square.setAttribute("x", x - 3.5); square.setAttribute("y", network.y[step][1] - 3.5);
      const [said, meant] = network.values[step];
      return network.name.toLowerCase() + ", the prediction of the blend is " + number(said) + ", the blend of the predictions " +
        number(meant) + ": a gap of " + Math.abs(said - meant).toFixed(3);
    });
    slider.setAttribute("aria-valuetext", "lambda " + weight.toFixed(2));
    form.querySelector(".value").textContent = weight.toFixed(2);
    drawn.textContent = found.drawn + weight.toFixed(2);
    told.textContent = "At lambda " + weight.toFixed(2) + ": " + sentences.join("; ") + ".";
  };
  form.hidden = false;
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", show);
  show();
}
