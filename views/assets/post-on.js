// A person who came back here by the back button must not be sent on again: what the form carries is used up.
const [visit] = performance.getEntriesByType('navigation');
if (visit?.type !== 'back_forward') {
  // A field may be named `submit`, and would then stand in for the form's own.
  HTMLFormElement.prototype.submit.call(document.getElementById('post-on'));
}
