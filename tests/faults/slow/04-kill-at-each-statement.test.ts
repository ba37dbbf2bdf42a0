import { expect, test } from 'vitest';
import type { HeldMessage } from '../../testkit/network/tcp-proxy.ts';
import {
  endpointOf,
  isCommitOfPush,
  firstWordsOf,
  recordTransaction,
  faultScenarios,
  statementAt,
} from '../scenarios.ts';
import { newDatabase, newProxy, newService } from '../fixtures.ts';

test.each(faultScenarios)(
  'fault 4: kill -9 at each statement of $name stores all of it or nothing',
  async (scenario) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    let service = await newService(network.url);
    const target = { databaseUrl, endpoint: endpointOf(() => service) };
    const { statements, storedEvents } = await recordTransaction(scenario, target, network);

    /** Kills the service while a message is held. @returns the number of events that were stored nevertheless */
    async function killAt(hold: () => Promise<HeldMessage>): Promise<number> {
      const prepared = await scenario.prepare(target);
      const before = await prepared.countStored();
      const held = hold();
      const sent = prepared.send();
      const statement = await held;
      await service.kill();
      statement.reset();
      expect(await sent).toMatchObject({ outcome: 'unknown', status: 0 });
      const after = await prepared.countStored();
      service = await newService(network.url);
      await prepared.sendUntilDone();
      expect(await prepared.countStored()).toBe(before + storedEvents);
      await prepared.tenant.expectNothingLost();
      return after - before;
    }

    const stored: string[] = [];
    for (const [index, statement] of statements.entries()) {
      const count = await killAt(() => network.holdRequest(statementAt(statements, index)));
      if (count > 0) stored.push(`${count} before ${firstWordsOf(statement)}`);
    }
    expect(stored).toEqual([]);
    expect(await killAt(() => network.holdAnswerTo(isCommitOfPush))).toBe(storedEvents);
  },
  300_000,
);
