import type { AuthConfig } from '../config/config.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';

/** A database that this process, or an earlier one, has started. */
export interface StartedDatabase {
  /** A connection string for `pg`. */
  readonly url: string;
  /** What error messages call it in place of DATABASE_URL. */
  readonly origin: string;
  /** Stops the database, unless another process uses it. */
  readonly stop: () => Promise<void>;
}

/** Substitutes for missing settings on a developer's machine. `dev/register.mjs` registers them. */
export interface DevelopmentTools {
  /**
   * The secret that signs tokens if JWT_SECRET is not set.
   *
   * @throws StartError
   */
  readonly secret: (dataDir: string) => string;
  /** The file that holds this secret. */
  readonly secretFile: (dataDir: string) => string;
  /**
   * Starts the database that is used if DATABASE_URL is not set.
   *
   * @throws StartError
   */
  readonly startDatabase: (options: {
    readonly dataDir: string;
    readonly log: { info(fields: object, message: string): void };
  }) => Promise<StartedDatabase>;
  /** The text that is printed when the service listens. */
  readonly welcome: (url: string, auth: AuthConfig, kinds: KindRegistry) => string;
}

let registered: DevelopmentTools | undefined;

/** Called by a module that is loaded with `node --import`, before the service or a command. */
export function registerDevelopmentTools(tools: DevelopmentTools): void {
  registered = tools;
}

/** Undefined if the process was started without them, as in production. */
export function registeredDevelopmentTools(): DevelopmentTools | undefined {
  return registered;
}
