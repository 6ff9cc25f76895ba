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
