const { targetOrigin, response } = document.getElementById('web-message').dataset;
const asker = window.opener ?? (window.parent === window ? null : window.parent);
// The browser gives the message to a window of that origin and to no other.
asker?.postMessage({ type: 'authorization_response', response: JSON.parse(response) }, targetOrigin);
if (window.opener !== null) window.close();
