import { randomUUID } from 'node:crypto';
import { withClient } from './client.ts';

/** A login role that one test creates on its server. */
export interface TestLogin {
  readonly name: string;
  /** The URL with which this login connects to the database. */
  readonly url: string;
  drop(): Promise<void>;
}

/**
 * @param url the database's URL for a superuser
 * @param attributes such as `CREATEROLE` or `IN ROLE landfall_service`
 */
export async function createLogin(url: string, attributes: string): Promise<TestLogin> {
  const name = `landfall_test_${randomUUID().slice(0, 8)}`;
  const password = randomUUID();
  const admin = (sql: string) => withClient(url, (client) => client.query(sql));
  await admin(`CREATE ROLE "${name}" LOGIN PASSWORD '${password}' ${attributes}`);
  const own = new URL(url);
  own.username = name;
  own.password = password;
  return {
    name,
    url: own.href,
    async drop() {
      await admin(`DROP OWNED BY "${name}" CASCADE`);
      await admin(`DROP ROLE "${name}"`);
    },
  };
}
