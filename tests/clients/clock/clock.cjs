// Puts the clock of a page, or of a program of Node that requires this first, wrong by CLOCK_OFFSET_MS
// milliseconds.
{
  const Right = Date;
  const offset = Number(globalThis.CLOCK_OFFSET_MS ?? globalThis.process?.env.CLOCK_OFFSET_MS);
  const now = () => Right.now() + offset;
  globalThis.Date = new Proxy(Right, {
    apply: () => new Right(now()).toString(),
    construct: (target, given, as) => Reflect.construct(target, given.length > 0 ? given : [now()], as),
    get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
  });
}
