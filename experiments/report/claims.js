"use strict";
// Shows and hides claims by their verdict, in the page, its contents and the overview.
(window.extras = window.extras || []).push(function claims() {
  const boxes = Array.from(document.querySelectorAll("[data-verdict]"));
  const sections = Array.from(document.querySelectorAll("section[id^=claim-]"));
  const rows = Array.from(document.querySelectorAll("#overview tbody tr"));
  const verdict = (section) => section.querySelector(".verdict strong").textContent;
  function update() {
    const on = new Set(boxes.filter((b) => b.checked).map((b) => b.dataset.verdict));
    let shown = 0;
    sections.forEach((section, i) => {
      const isOn = on.has(verdict(section));
      section.hidden = !isOn;
      if (rows[i]) rows[i].hidden = !isOn;
      const link = document.querySelector(`nav a[href="#${section.id}"]`);
      if (link) link.parentElement.hidden = !isOn;
      shown += isOn;
    });
    document.querySelector("[data-out=shown]").textContent = `${shown} of ${sections.length} claims shown`;
  }
  boxes.forEach((box) => box.addEventListener("change", update));
});
