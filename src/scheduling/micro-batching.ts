/** By which part the least of what waits must have grown in a turn for one more to be waited. */
const worthwhile = 1 / 4;

/**
 * Puts a start off until what has arrived is read. A turn of the event loop reads a piece of it: what a
 * start would leave behind, though it had come, would wait for the next one, and each start has a price
 * of its own. So it comes at the end of a turn; and as long as turns bring a quarter more of what
 * waits, at the end of a later one. No timer: where nothing more has come, a turn ends at once.
 *
 * @param sizeOf what waits @param isDue whether one more turn is not to be waited
 * @returns what asks for a start
 */
export function createMicroBatcher(
  sizeOf: () => number,
  isDue: () => boolean,
  start: () => void,
): () => void {
  let isAsked = false;
  let sizeBefore = 0;

  function endTurn(): void {
    const size = sizeOf();
    if (!isDue() && size > sizeBefore && size >= sizeBefore * (1 + worthwhile)) {
      waitForTurn(size);
      return;
    }
    isAsked = false;
    start();
  }

  function waitForTurn(size: number): void {
    sizeBefore = size;
    setImmediate(endTurn);
  }

  return () => {
    if (isAsked) return;
    isAsked = true;
    waitForTurn(sizeOf());
  };
}
