// What the shop tells, in the names of Segment's e-commerce specification. Nothing is loaded or sent without
// consent.

const CONSENT = "consent";

let loading;

export const consent = () => localStorage.getItem(CONSENT);

export const decide = (answer) => localStorage.setItem(CONSENT, answer);

/// Loads the SDK as Segment documents it. Only the address and the key are ours; its settings stand here,
/// because no server of Segment is asked for them.
const sdk = async () => {
  const { writeKey, collector } = await (await fetch("settings.json")).json();
  const { protocol, host } = new URL(collector);
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
    { writeKey, cdnSettings: { integrations: { "Segment.io": { apiKey: writeKey } } } },
    { integrations: { "Segment.io": { apiHost: `${host}/v1`, protocol: protocol.replace(":", "") } } },
  );
  return analytics;
};

/// Sends what happened, and dispatches `sent` with its name and what became of it, at once and when it is
/// known.
const send = async (name, call) => {
  if (consent() !== "allow") return;
  const id = crypto.randomUUID();
  const say = (state) => document.dispatchEvent(new CustomEvent("sent", { detail: { id, name, state } }));
  say("under way");
  try {
    const context = await call(await (loading ??= sdk()));
    say(context.failedDelivery() ? "not delivered yet" : "delivered");
  } catch (error) {
    loading = undefined;
    say(`not delivered: ${error.message ?? error}`);
  }
};

export const track = (name, properties) => send(name, (analytics) => analytics.track(name, properties));

export const page = (name) => send("page", (analytics) => analytics.page(name));

export const identify = (address, traits) => send("identify", (analytics) => analytics.identify(address, traits));

export const forget = () => send("reset", async (analytics) => {
  await analytics.reset();
  return { failedDelivery: () => undefined };
});
