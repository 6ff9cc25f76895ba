"use strict";
(function () {
  var said = document.getElementById("said");

  // Tables that are sorted by a click on a head, or by Enter and Space on it.
  function compare(first, second) {
    if (first === null || second === null) {
      return first === second ? 0 : first === null ? 1 : -1;
    }
    var a = Number(first), b = Number(second);
    if (first !== "" && second !== "" && !isNaN(a) && !isNaN(b)) {
      return a - b;
    }
    return first.localeCompare(second, "en", { numeric: true });
  }

  function valueOf(row, index) {
    return row.cells[index].getAttribute("data-value");
  }

  function sortBy(table, head, index) {
    var direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    table.querySelectorAll("thead th").forEach(function (other) {
      other.removeAttribute("aria-sort");
    });
    head.setAttribute("aria-sort", direction);
    var sign = direction === "ascending" ? 1 : -1;
    var body = table.tBodies[0];
    Array.from(body.rows).sort(function (one, other) {
      var a = valueOf(one, index), b = valueOf(other, index);
      return a === null || b === null ? compare(a, b) : sign * compare(a, b);
    }).forEach(function (row) {
      body.appendChild(row);
    });
    said.textContent = "Sorted by " + head.textContent + ", " + direction + ".";
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    if (table.tBodies[0].rows.length < 2) {
      return;
    }
    Array.from(table.tHead.rows[0].cells).forEach(function (head, index) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        sortBy(table, head, index);
      });
    });
  });

  // Boxes that scroll sideways can be reached with the keyboard.
  function markScrolling() {
    document.querySelectorAll(".scroll, pre").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth) {
        box.setAttribute("tabindex", "0");
      } else {
        box.removeAttribute("tabindex");
      }
    });
  }
  markScrolling();
  window.addEventListener("resize", markScrolling);

  // The navigation shows in which section the reader is.
  var links = Array.from(document.querySelectorAll("nav a[href^='#']"));
  var places = links.map(function (link) {
    return document.getElementById(link.getAttribute("href").slice(1));
  });

  function markSection() {
    var current = 0;
    places.forEach(function (section, index) {
      if (section && section.getBoundingClientRect().top < window.innerHeight / 3) {
        current = index;
      }
    });
    if (window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2) {
      current = links.length - 1;
    }
    links.forEach(function (link, index) {
      if (index !== current) {
        link.removeAttribute("aria-current");
      } else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "true");
        var bar = link.closest("nav");
        bar.scrollLeft = link.offsetLeft - bar.clientWidth / 3;
      }
    });
  }
  if (links.length) {
    markSection();
    window.addEventListener("scroll", markSection, { passive: true });
    window.addEventListener("resize", markSection);
  }

  // Plots at the size that they were drawn in, which is too large for a phone.
  var dialog = document.createElement("dialog");
  var close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.textContent = "Close";
  close.addEventListener("click", function () {
    dialog.close();
  });
  var frame = document.createElement("div");
  dialog.append(close, frame);
  document.body.append(dialog);
  document.querySelectorAll(".plot img").forEach(function (image) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    button.setAttribute("aria-label", "Enlarge: " + image.alt.split(":")[0]);
    button.addEventListener("click", function () {
      frame.replaceChildren(image.cloneNode());
      dialog.setAttribute("aria-label", image.alt.split(":")[0]);
      dialog.showModal();
    });
    image.after(button);
  });

  // A threshold under the hand: counts, shares with their intervals, and the ROC curve.
  // The formulas are those of metrics/operating_point.py and metrics/intervals.py.
  function wilson(share, number) {
    var z = 1.959963984540054, spread = z * z / number;
    var center = (share + spread / 2) / (1 + spread);
    var half = z * Math.sqrt(share * (1 - share) / number + spread / number / 4) / (1 + spread);
    var low = Math.max(Math.min(center - half, share), 0);
    return { value: share, low: low, high: Math.min(Math.max(center + half, share), 1) };
  }

  function rest(share) {
    return { value: 1 - share.value, low: 1 - share.high, high: 1 - share.low };
  }

  function quotient(over, under) {
    return under > 0 ? over / under : 0;
  }

  function chance(ratio, share) {
    return isFinite(ratio) ? quotient(share * ratio, share * ratio + 1 - share) : 1;
  }

  function predictive(found, mistaken, share) {
    var taken = share * found.value + (1 - share) * mistaken.value;
    if (!(taken > 0)) {
      return null;
    }
    var value = share * found.value / taken, product = found.value * mistaken.value;
    var first = found.low * (2 * found.value - found.low);
    var second = mistaken.high * (2 * mistaken.value - mistaken.high);
    var root = Math.sqrt(Math.max(0, product * product - first * second));
    var low = quotient(first, product + root);
    first = found.high * (2 * found.value - found.high);
    second = mistaken.low * (2 * mistaken.value - mistaken.low);
    root = Math.sqrt(Math.max(0, product * product - first * second));
    var high = second > 0 ? (product + root) / second : Infinity;
    return {
      value: value,
      low: Math.min(chance(low, share), value),
      high: Math.max(chance(high, share), value)
    };
  }

  // Halves go to the even digit, as in the tables.
  function fixed(number, places) {
    var text = number.toFixed(places);
    var isHalf = number * Math.pow(2, places + 1) % 2 === 1;
    return isHalf && Number(text.slice(-1)) % 2
      ? (number - Math.pow(10, -places - 1)).toFixed(places) : text;
  }

  function digits(value) {
    var places = 1;
    while (places < 4 && value > 0 && value < 1
        && [0, 100].indexOf(Number(fixed(100 * value, places))) >= 0) {
      places += 1;
    }
    return fixed(100 * value, places);
  }

  function write(cell, share) {
    var ends = document.createElement("small");
    if (share !== null) {
      ends.textContent = "[" + digits(share.low) + ", " + digits(share.high) + "]";
    }
    cell.replaceChildren(share === null ? "–" : digits(share.value) + "\u00a0% ", ends);
  }

  function setUpPoints() {
    var box = document.getElementById("operating");
    if (!box) {
      return;
    }
    function part(name) {
      return document.getElementById("point-" + name);
    }
    function numbers(text) {
      return text.split(" ").map(Number);
    }
    var select = part("class"), slider = part("slider"), prevalence = part("prevalence");
    var thresholds = [], points = [], option = null;

    // [threshold, found, mistaken] of one set -> its share of the class and of the others.
    function rates(set, row) {
      var at = set === "judged" ? 3 : 1, sizes = numbers(option.dataset[set]);
      return { found: row[at], mistaken: row[at + 1], own: sizes[0], others: sizes[1],
        worth: sizes.slice(2) };
    }

    function place(side) {
      return [40 + 270 * side.mistaken / side.others, 250 - 240 * side.found / side.own];
    }

    function choose() {
      option = select.options[select.selectedIndex];
      var rows = option.dataset.points.split(",");
      points = rows.map(numbers);
      thresholds = rows.map(function (row) { return row.split(" ")[0]; });
      slider.max = String(points.length - 1);
      slider.value = option.dataset.start;
      document.querySelectorAll(".point-label").forEach(function (name) {
        name.textContent = option.textContent;
      });
      ["unseen", "judged"].forEach(function (set) {
        var corners = points.map(function (row) {
          return place(rates(set, row)).map(Math.round).join(",");
        });
        var curve = part(set === "unseen" ? "curve-chosen" : "curve-judged");
        curve.setAttribute("points", ["310,10"].concat(corners, ["40,250"]).join(" "));
      });
      part("roc-title").textContent = "ROC curves of " + option.textContent
        + ": sensitivity over 1 minus specificity; a dot at the threshold on each.";
      move();
    }

    function move() {
      var row = points[Number(slider.value)], words = [];
      var asked = prevalence.value === "" ? NaN : Number(prevalence.value) / 100;
      var isStated = asked > 0 && asked < 1, isWrong = prevalence.value !== "" && !isStated;
      var judged = rates("judged", row), own = judged.own / (judged.own + judged.others);
      prevalence.setCustomValidity(
        isWrong || prevalence.validity.badInput ? "above 0 and below 100" : ""
      );
      ["unseen", "judged"].forEach(function (set) {
        var side = rates(set, row), name = set === "unseen" ? "chosen" : "judged";
        var share = isStated ? asked : side.own / (side.own + side.others);
        var sensitivity = wilson(side.found / side.own, side.worth[0]);
        var specificity = wilson(1 - side.mistaken / side.others, side.worth[1]);
        write(part(name + "-sensitivity"), sensitivity);
        write(part(name + "-specificity"), specificity);
        write(part(name + "-ppv"),
          isWrong ? null : predictive(sensitivity, rest(specificity), share));
        write(part(name + "-npv"),
          isWrong ? null : predictive(specificity, rest(sensitivity), 1 - share));
        var at = place(side);
        part("at-" + name).setAttribute("cx", at[0]);
        part("at-" + name).setAttribute("cy", at[1]);
        words.push(name === "judged" ? "then" : "sensitivity", digits(sensitivity.value) + "\u00a0%");
      });
      part("tp").textContent = judged.found.toLocaleString("en");
      part("fn").textContent = (judged.own - judged.found).toLocaleString("en");
      part("fp").textContent = judged.mistaken.toLocaleString("en");
      part("tn").textContent = (judged.others - judged.mistaken).toLocaleString("en");
      var threshold = thresholds[Number(slider.value)];
      part("threshold").textContent = threshold;
      slider.setAttribute("aria-valuetext", threshold + ", " + words.join(" "));
      part("note").textContent = isWrong ? "A prevalence is above 0 and below 100\u00a0%."
        : isStated ? "PPV and NPV at a prevalence of " + prevalence.value + "\u00a0%."
          : "PPV and NPV at the prevalence of each column, " + digits(own) + "\u00a0% on "
            + box.dataset.judged + ". Type that of the place where the model is used.";
    }

    select.selectedIndex = Number(box.dataset.first);
    select.addEventListener("change", choose);
    slider.addEventListener("input", move);
    prevalence.addEventListener("input", move);
    prevalence.addEventListener("change", move);
    box.hidden = false;
    choose();
  }
  setUpPoints();

  // Two candidates side by side, out of all.
  var panels = document.getElementById("panels");
  var picker = document.getElementById("picker");
  if (!panels || panels.children.length < 2) {
    return;
  }
  var articles = Array.from(panels.children);
  var left = document.getElementById("pick-left");
  var right = document.getElementById("pick-right");
  [left, right].forEach(function (select, place) {
    articles.forEach(function (article, index) {
      var option = new Option(article.getAttribute("data-title"), String(index));
      option.selected = index === place;
      select.add(option);
    });
    select.addEventListener("change", show);
  });

  // The chosen two come first, the others wait behind them, hidden.
  function show() {
    var chosen = [articles[Number(left.value)], articles[Number(right.value)]];
    articles.forEach(function (article) {
      article.hidden = chosen.indexOf(article) < 0;
    });
    panels.prepend(chosen[0], chosen[1]);
    panels.classList.toggle("single", chosen[0] === chosen[1]);
    markScrolling();
  }

  window.addEventListener("beforeprint", function () {
    panels.append.apply(panels, articles);
  });
  window.addEventListener("afterprint", show);
  picker.hidden = false;
  show();
})();
