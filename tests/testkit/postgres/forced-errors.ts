import { withClient } from './client.ts';

/** The statement of a push that fails. A `commit` fails as it does with a deferred constraint. */
export type FailingStatement = 'events' | 'records' | 'changed records' | 'tenants' | 'commit';

export interface ForcedErrors {
  /** How often the error was raised so far. */
  raised(): Promise<number>;
  /** Removes the triggers that raise the error. */
  stop(): Promise<void>;
}

/** A sequence keeps its value when a transaction is rolled back, unlike a table. */
const counter = `
DROP SEQUENCE IF EXISTS forced_errors CASCADE;
CREATE SEQUENCE forced_errors;
GRANT USAGE ON SEQUENCE forced_errors TO PUBLIC;`;

const dropTriggers = `
DROP TRIGGER IF EXISTS force_error ON events;
DROP TRIGGER IF EXISTS force_error ON records;
DROP TRIGGER IF EXISTS force_error ON tenants;`;

const triggers: Readonly<Record<FailingStatement, string>> = {
  events: 'CREATE TRIGGER force_error BEFORE INSERT ON events FOR EACH STATEMENT',
  records: 'CREATE TRIGGER force_error BEFORE INSERT ON records FOR EACH STATEMENT',
  'changed records': 'CREATE TRIGGER force_error BEFORE UPDATE ON records FOR EACH STATEMENT',
  tenants: 'CREATE TRIGGER force_error BEFORE UPDATE ON tenants FOR EACH STATEMENT',
  commit: `CREATE CONSTRAINT TRIGGER force_error AFTER UPDATE ON tenants
           DEFERRABLE INITIALLY DEFERRED FOR EACH ROW`,
};

/**
 * Makes statements fail with an SQLSTATE, for all tenants of the database.
 *
 * @param times how often the statement fails before it succeeds
 */
export async function forceErrors(
  databaseUrl: string,
  statement: FailingStatement,
  sqlState: string,
  times: number,
): Promise<ForcedErrors> {
  await run(`
    ${counter}
    CREATE OR REPLACE FUNCTION force_error() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('forced_errors') <= ${times} THEN
        RAISE EXCEPTION 'forced' USING ERRCODE = '${sqlState}';
      END IF;
      RETURN NULL;
    END $$;
    ${dropTriggers}
    ${triggers[statement]} EXECUTE FUNCTION force_error();`);

  function run(sql: string) {
    return withClient(databaseUrl, (client) => client.query(sql));
  }

  return {
    async raised() {
      const { rows } = await run(
        'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS calls FROM forced_errors',
      );
      return Math.min(times, Number(rows[0].calls));
    },
    stop: async () => void (await run(dropTriggers)),
  };
}
