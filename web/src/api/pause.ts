/** How long to wait before a question is asked again. */

const SLOWEST_RETRY_SECONDS = 30;

/** Doubles from the usual pause, so that a server in trouble is not asked harder. */
export function pause(everySeconds: number, failures: number): number {
  return Math.min(Math.max(SLOWEST_RETRY_SECONDS, everySeconds), everySeconds * 2 ** failures);
}
