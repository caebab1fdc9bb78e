// Light or dark: as the system has it, until somebody chooses.

const CHOICES = ["system", "light", "dark"];
const KEPT = "shoal-theme";

/** Applies the theme that was chosen here before; `button` goes through the choices. */
export function startTheme(button) {
  let choice = kept();
  const apply = () => {
    document.documentElement.dataset.theme = choice;
    button.textContent = `Theme: ${choice}`;
  };
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    keep(choice);
    apply();
  });
  apply();
}

/** A browser may keep nothing for a page, and says so by an exception. */
function kept() {
  try {
    const choice = localStorage.getItem(KEPT);
    return CHOICES.includes(choice) ? choice : CHOICES[0];
  } catch {
    return CHOICES[0];
  }
}

function keep(choice) {
  try {
    localStorage.setItem(KEPT, choice);
  } catch {
    // Then the choice lasts as long as the page.
  }
}
