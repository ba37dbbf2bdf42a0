/** A door that calls wait at, each until the test lets it through. */
export interface Hold {
  /** Calls that wait, in order of arrival. */
  readonly waiting: number;
  /** The same object; calls of these methods wait at the door first. */
  before<Of extends object>(of: Of, ...methods: readonly (keyof Of)[]): Of;
  close(): void;
  /** Lets all through that wait, and from now on everybody. */
  open(): void;
  /** Lets the one through that came first. */
  next(): void;
}

export function createHold(): Hold {
  const waiting: (() => void)[] = [];
  let isClosed = false;
  return {
    get waiting() {
      return waiting.length;
    },
    before: (of, ...methods) =>
      new Proxy(of, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== 'function' || !methods.some((held) => held === name)) return method;
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
      for (const pass of waiting.splice(0)) pass();
    },
    next: () => waiting.shift()?.(),
  };
}
