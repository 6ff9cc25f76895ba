"use strict";
// Curves tell their values where the pointer is, and to the arrow keys.
(function () {
  var said = document.getElementById("said");

  // The value of a curve at x; null where it has none.
  function valueAt(curve, x) {
    var xs = curve.x, last = xs.length - 1;
    if (last < 0 || (curve.course !== "points" && (x < xs[0] || x > xs[last]))) {
      return null;
    }
    if (curve.course === "points") {
      var found = xs.indexOf(x);
      return found < 0 ? null : curve.y[found];
    }
    var after = 0;
    while (after < last && (curve.course === "steps" ? xs[after] < x : xs[after] <= x)) {
      after += 1;
    }
    if (curve.course === "steps" || after === 0 || xs[after] === x || xs[after] === xs[after - 1]) {
      return curve.y[after];
    }
    var part = (x - xs[after - 1]) / (xs[after] - xs[after - 1]);
    return curve.y[after - 1] + part * (curve.y[after] - curve.y[after - 1]);
  }

  // Places at which curves have values; null where that is everywhere.
  function stops(panel) {
    var all = [];
    panel.curves.forEach(function (curve) {
      if (curve.course === "points") {
        all = all.concat(curve.x);
      }
    });
    all = all.filter(function (x, index) {
      return all.indexOf(x) === index;
    });
    return all.length ? all.sort(function (a, b) { return a - b; }) : null;
  }

  function nearest(values, x) {
    return values.reduce(function (best, one) {
      return Math.abs(one - x) < Math.abs(best - x) ? one : best;
    });
  }

  function show(number, isCount) {
    return isCount ? String(number) : number.toFixed(3);
  }

  function bringToLife(image) {
    var panels;
    try {
      panels = JSON.parse(image.getAttribute("data-curves")).panels;
    } catch (error) {
      return;
    }
    var box = document.createElement("div");
    box.className = "live";
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Values of " + image.alt.split(":")[0] + ": left and right arrow keys");
    var line = document.createElement("i");
    var values = document.createElement("div");
    line.className = "cross";
    values.className = "values";
    line.hidden = values.hidden = true;
    image.before(box);
    box.append(image, line, values);
    var place = null; // of the keyboard: panel and x

    // Where the picture's own pixels are, without its border and padding, in the box.
    function frame() {
      var style = getComputedStyle(image);
      var left = parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
      var top = parseFloat(style.paddingTop) + parseFloat(style.borderTopWidth);
      return {
        left: image.offsetLeft + left, top: image.offsetTop + top,
        width: image.offsetWidth - 2 * left, height: image.offsetHeight - 2 * top
      };
    }

    function tell(panel, wished) {
      var places = stops(panel);
      var x = places ? nearest(places, wished) : Math.min(Math.max(wished, panel.x_range[0]), panel.x_range[1]);
      var inside = frame();
      var share = (x - panel.x_range[0]) / (panel.x_range[1] - panel.x_range[0]);
      var left = panel.box[0] + share * (panel.box[2] - panel.box[0]);
      line.style.left = inside.left + left * inside.width + "px";
      line.style.top = inside.top + panel.box[1] * inside.height + "px";
      line.style.height = (panel.box[3] - panel.box[1]) * inside.height + "px";
      var words = [panel.x_name + " " + show(x, places)];
      values.replaceChildren();
      var head = document.createElement("strong");
      head.textContent = words[0];
      values.append(head);
      panel.curves.forEach(function (curve) {
        var value = valueAt(curve, x);
        if (value === null) {
          return;
        }
        var row = document.createElement("span");
        var colour = document.createElement("i");
        colour.style.background = curve.colour;
        row.append(colour, curve.name + " ", document.createElement("b"));
        row.lastChild.textContent = show(value);
        values.append(row);
        words.push(curve.name + " " + show(value));
      });
      line.hidden = values.hidden = false;
      values.style.top = inside.top + panel.box[1] * inside.height + "px";
      var at = inside.left + left * inside.width;
      var isRight = at > box.clientWidth / 2;
      values.style.left = isRight ? "auto" : at + 12 + "px";
      values.style.right = isRight ? box.clientWidth - at + 12 + "px" : "auto";
      place = { panel: panel, x: x };
      return panel.y_name + ": " + words.join(", ") + ".";
    }

    function hide() {
      line.hidden = values.hidden = true;
    }

    box.addEventListener("pointermove", follow);
    box.addEventListener("pointerdown", follow);
    function follow(event) {
      var inside = frame(), edge = box.getBoundingClientRect();
      var x = (event.clientX - edge.left - inside.left) / inside.width;
      var y = (event.clientY - edge.top - inside.top) / inside.height;
      var panel = panels.find(function (one) {
        return x >= one.box[0] && x <= one.box[2] && y >= one.box[1] && y <= one.box[3];
      });
      if (!panel) {
        hide();
        return;
      }
      var share = (x - panel.box[0]) / (panel.box[2] - panel.box[0]);
      tell(panel, panel.x_range[0] + share * (panel.x_range[1] - panel.x_range[0]));
    }
    box.addEventListener("pointerleave", hide);
    box.addEventListener("blur", hide);

    box.addEventListener("keydown", function (event) {
      var step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (event.key === "Escape") {
        hide();
      }
      if (!step) {
        return;
      }
      event.preventDefault();
      var panel = place ? place.panel : panels[0];
      var places = stops(panel);
      var next;
      if (!place) {
        next = places ? places[0] : panel.x_range[0];
      } else if (places) {
        next = places[places.indexOf(place.x) + step];
      } else {
        next = place.x + step * (panel.x_range[1] - panel.x_range[0]) / 50;
      }
      if (next === undefined || next < panel.x_range[0] || next > panel.x_range[1]) {
        var other = panels[panels.indexOf(panel) + step];
        if (other) {
          panel = other;
          next = other.x_range[step > 0 ? 0 : 1];
        } else {
          next = place.x;
        }
      }
      said.textContent = tell(panel, next);
    });
  }

  document.querySelectorAll("img[data-curves]").forEach(bringToLife);
})();
