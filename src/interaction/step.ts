import type { Interaction } from '#src/interaction/interaction.ts';

/** What is due in an interaction. */
export type Step =
  | { readonly step: 'sign-in' }
  | { readonly step: 'select-account'; readonly subject: string }
  | { readonly step: 'consent'; readonly subject: string }
  | { readonly step: 'none' };

/** The page that an interaction calls for. Pure, so that it can be asked at every request, in whatever order they come. */
export function dueStep({ prompt, subject }: Pick<Interaction, 'prompt' | 'subject'>): Step {
  if (prompt === 'login') return { step: 'sign-in' };
  if (prompt === 'select_account')
    return subject === null ? { step: 'sign-in' } : { step: 'select-account', subject };
  if (prompt === 'consent' && subject !== null) return { step: 'consent', subject };
  return { step: 'none' };
}
