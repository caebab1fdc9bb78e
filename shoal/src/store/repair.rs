//! `shoal store check` and `shoal store repair`: what is damaged in the commit log, and what to do about it.

use std::sync::Arc;

use storage::embedded::commit_log::{self, Repair, Repaired};
use storage::embedded::files::{Disk, Files};

use super::place::Place;
use crate::exit;
use crate::failure::Failure;

/// Reads every record, and changes nothing.
///
/// # Errors
/// Where the log is in use, or is no log.
pub fn check(place: &Place) -> Result<u8, Failure> {
    let checked = commit_log::check(&files(), &place.log_folder()?)?;
    println!("{} good records, {} given up by earlier repairs", checked.records, checked.voided);
    for damage in &checked.damage {
        println!("damage: {damage}");
    }
    if checked.damage.is_empty() {
        return Ok(exit::DONE);
    }
    println!("a copy of the whole folder made before is the best cure; else `shoal store repair --void`");
    Ok(exit::UNWELL)
}

/// Mends what is damaged: gives up the damaged records, or with `cut` all after them too.
///
/// # Errors
/// Where the log is in use, or is not one that can be mended.
pub fn repair(place: &Place, cut: bool) -> Result<u8, Failure> {
    let how = if cut { Repair::Cut } else { Repair::Void };
    // The folder is asked for first: it says what is wrong where there is no log.
    place.log_folder()?;
    let repaired = storage::embedded::repair(&files(), place.folder(), how)?;
    if repaired.is_empty() {
        println!("nothing is damaged");
    }
    repaired.iter().for_each(tell);
    Ok(exit::DONE)
}

fn tell(repaired: &Repaired) {
    let Repaired { damage, lost, kept } = repaired;
    let lost = lost.map_or("how many records were given up cannot be told".to_owned(), |lost| {
        format!("{lost} records were given up")
    });
    println!("mended: {damage}; {lost}");
    for file in kept {
        println!("    what was there is kept in {}", file.display());
    }
}

fn files() -> Arc<dyn Files> {
    Arc::new(Disk)
}
