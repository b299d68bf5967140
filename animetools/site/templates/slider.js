/** A slider with its name and its value, in an element; `range` has min, max and step. */
function sliderOf(parent, id, name, range) {
  const label = document.createElement("label");
  const output = document.createElement("output");
  const slider = document.createElement("input");
  Object.assign(label, { htmlFor: id, textContent: name });
  output.htmlFor = id;
  Object.assign(slider, { id, type: "range", ...range });
  parent.classList.add("slider");
  parent.append(label, " ", output, slider);
  return slider;
}

/** Have the value of a slider beside its name. */
function show(slider) {
  const decimals = slider.step.split(".")[1]?.length ?? 0;
  slider.parentElement.querySelector("output").value = Number(slider.value).toFixed(decimals);
}
