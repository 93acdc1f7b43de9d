// Goes on to the page that asks for the proof, once, when the challenge page is opened.
// Not when the person came Back to it: going on again would trap them between the two pages.
const link = document.getElementById("authsignal-continue");
const [navigation] = performance.getEntriesByType("navigation");

addEventListener("pageshow", (event) => {
  const cameBack = event.persisted || navigation?.type === "back_forward";
  if (link && !cameBack) {
    // replace, not assign: Back from the proof then leads to where the person came from.
    location.replace(link.href);
  }
});
