/**
 * True if a server is the primary, as far as it says: INFO, by its names. Where writes wait for replicas, it must have
 * them. One that was replaced while it was away comes back as a primary whom nobody follows any more, and would answer
 * with what was true before.
 */
export function isPrimary(info: Readonly<Record<string, string>>, replicas: number): boolean {
  return info.role === 'master' && Number(info.connected_slaves) >= replicas;
}
