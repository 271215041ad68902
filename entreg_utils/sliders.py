"""Sliders of ipywidgets with a view of their own: the browser's range input, in its label.

The handle that ipywidgets draws has no accessible name. This one is named, says its value as it is
shown, and moves by keyboard, mouse and touch; everything else is as in ipywidgets.
"""

import anywidget
import ipywidgets

_VIEW = """
function render({ model, el }) {
  const names = model.get("_options_labels"), key = names ? "index" : "value";
  const [min, max, step] = names ? [0, names.length - 1, 1]
    : ["min", "max", "step"].map((one) => model.get(one));
  const digits = (String(step).split(".")[1] || "").length;
  const label = document.createElement("label"), output = document.createElement("output");
  const input = Object.assign(document.createElement("input"), { type: "range", min, max, step });
  const show = () => {
    input.value = model.get(key);
    input.disabled = model.get("disabled");
    output.textContent = names ? names[model.get(key)] : model.get(key).toFixed(digits);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.setAttribute("aria-label", model.get("description"));
  input.setAttribute("role", "slider");
  input.addEventListener("input", () => {
    model.set(key, Number(input.value));
    model.save_changes();
  });
  input.addEventListener("keydown", (event) => event.stopPropagation());  // Lab takes arrows else
  model.on("change:" + key, show);
  model.on("change:disabled", show);
  label.style.cssText = "display: flex; flex-wrap: wrap; align-items: center; gap: 0.5em";
  label.style.margin = "2px 1em 2px 2px";
  output.style.minWidth = "3em";
  label.append(model.get("description"), input, output);
  el.append(label);
  show();
}
export default { render };
"""


class IntSlider(anywidget.AnyWidget, ipywidgets.IntSlider):
    """Whole numbers from ``min`` to ``max``."""

    _esm = _VIEW


class FloatSlider(anywidget.AnyWidget, ipywidgets.FloatSlider):
    """Numbers from ``min`` to ``max`` in steps; shown with as many digits as ``step`` has."""

    _esm = _VIEW


class SelectionSlider(anywidget.AnyWidget, ipywidgets.SelectionSlider):
    """One of ``options``, values or pairs of label and value."""

    _esm = _VIEW
