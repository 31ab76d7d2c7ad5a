/** A part of the page of a person's own account. */
export interface Section {
  /** Its name in the texts, `account.section.NAME`, and what the way back from the sign-in is told by. */
  readonly name: string;
  readonly path: string;
}

/** In the order of the navigation. */
export const SECTIONS = [
  { name: 'overview', path: '/account' },
  { name: 'requests', path: '/account/requests' },
  { name: 'sessions', path: '/account/sessions' },
  { name: 'applications', path: '/account/applications' },
  { name: 'password', path: '/account/password' },
] as const satisfies readonly Section[];

export type SectionName = (typeof SECTIONS)[number]['name'];

/** Where a section is. Whatever is no section's name leads to the first: nobody is sent anywhere else. */
export function pathOf(name: string): string {
  return (SECTIONS.find((section) => section.name === name) ?? SECTIONS[0]).path;
}
