/** Delays calls of an object's methods until the test lets them run. */
export interface CallGate {
  /** The number of calls that wait. */
  readonly waitingCalls: number;
  /** @returns the object; while the gate is closed, calls of the named methods wait */
  guard<Guarded extends object>(object: Guarded, ...methods: readonly (keyof Guarded)[]): Guarded;
  close(): void;
  /** Runs all calls that wait. Later calls do not wait. */
  open(): void;
  /** Runs the call that has waited longest. */
  letOneThrough(): void;
}

/** @returns an open gate */
export function createCallGate(): CallGate {
  const waiting: (() => void)[] = [];
  let isClosed = false;
  return {
    get waitingCalls() {
      return waiting.length;
    },
    guard: (object, ...methods) =>
      new Proxy(object, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          const isGuarded = methods.some((guarded) => guarded === name);
          if (typeof method !== 'function' || !isGuarded) return method;
          return async (...args: readonly unknown[]) => {
            if (isClosed) await new Promise<void>((resolve) => waiting.push(resolve));
            return Reflect.apply(method, target, args);
          };
        },
      }),
    close() {
      isClosed = true;
    },
    open() {
      isClosed = false;
      for (const run of waiting.splice(0)) run();
    },
    letOneThrough: () => waiting.shift()?.(),
  };
}
