// Looks every five seconds whether somebody has decided. Not while the page is hidden, and not while the person has the
// focus on one of its links: a new page would take it away. Without this script there is the link.
const EVERY = 5000; // ms

document.getElementById("authsignal-looks-again").hidden = false;
setInterval(() => {
  if (!document.hidden && document.activeElement === document.body) {
    location.reload();
  }
}, EVERY);
