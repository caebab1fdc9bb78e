//! What both implementations promise, held against each of them.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::*;

/// Runs a check on the machine's files and on a disk in memory, each with an empty folder.
fn both(check: impl Fn(&dyn Files, &Path)) {
    let temp = tempfile::tempdir().unwrap();
    check(&Disk, temp.path());
    let sim = SimFiles::new(1);
    let dir = PathBuf::from("/sim");
    sim.create_dir_all(&dir).unwrap();
    check(&sim, &dir);
}

#[test]
fn a_file_is_created_once_and_opened_after() {
    both(|files, dir| {
        let path = dir.join("a");
        assert_eq!(files.open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        files.create(&path).unwrap();
        assert_eq!(files.create(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(files.open(&path).unwrap().is_empty().unwrap());
    });
}

#[test]
fn slices_are_written_one_after_another_and_read_back() {
    both(|files, dir| {
        let file = files.create(&dir.join("a")).unwrap();
        write_all_at(&*file, &[b"", b"abc", b"", b"defg", b""], 3).unwrap();
        file.sync().unwrap();
        let mut buf = [9; 16];
        assert_eq!(read_full_at(&*file, &mut buf, 0).unwrap(), 10);
        assert_eq!(&buf[..10], b"\0\0\0abcdefg");
        assert_eq!(file.read_at(&mut buf, 10).unwrap(), 0);
        assert_eq!(file.read_at(&mut buf, 99).unwrap(), 0);
        write_all_at(&*file, &[], 0).unwrap();
    });
}

#[test]
fn more_slices_than_one_call_takes_are_written() {
    both(|files, dir| {
        let file = files.create(&dir.join("a")).unwrap();
        let bytes: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
        let slices: Vec<&[u8]> = bytes.chunks(1).collect();
        write_all_at(&*file, &slices, 0).unwrap();
        let mut back = vec![0; 5000];
        assert_eq!(read_full_at(&*file, &mut back, 0).unwrap(), 5000);
        assert_eq!(back, bytes);
    });
}

#[test]
fn lengths_are_set_and_allocated_with_zeros() {
    both(|files, dir| {
        let file = files.create(&dir.join("a")).unwrap();
        file.allocate(3_000_000).unwrap();
        assert_eq!(file.len().unwrap(), 3_000_000);
        write_all_at(&*file, &[b"xyz"], 7).unwrap();
        file.set_len(8).unwrap();
        file.set_len(20).unwrap();
        let mut buf = [9; 32];
        assert_eq!(read_full_at(&*file, &mut buf, 0).unwrap(), 20);
        assert_eq!(&buf[..20], b"\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0\0\0\0\0");
    });
}

#[test]
fn names_are_listed_renamed_and_removed() {
    both(|files, dir| {
        for name in ["a", "b", "c"] {
            files.create(&dir.join(name)).unwrap();
        }
        files.create_dir_all(&dir.join("d/e")).unwrap();
        files.rename(&dir.join("a"), &dir.join("b")).unwrap();
        files.remove(&dir.join("c")).unwrap();
        files.sync_dir(dir).unwrap();
        let mut names = files.list(dir).unwrap();
        names.sort();
        assert_eq!(names, ["b", "d"]);
        assert_eq!(files.remove(&dir.join("c")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(files.rename(&dir.join("c"), dir).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(files.list(&dir.join("x")).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_lock_has_one_holder_and_names_it() {
    both(|files, dir| {
        let path = dir.join("LOCK");
        let Lock::Held(guard) = files.lock(&path, "one").unwrap() else { panic!("not free") };
        assert!(matches!(files.lock(&path, "two").unwrap(), Lock::Busy(text) if text == "one"));
        drop(guard);
        assert!(matches!(files.lock(&path, "three").unwrap(), Lock::Held(_)));
    });
}

#[test]
fn a_name_survives_only_after_its_folder_was_synced() {
    let sim = SimFiles::new(1);
    let dir = PathBuf::from("/sim");
    sim.create_dir_all(&dir).unwrap();
    let (kept, lost) = (dir.join("kept"), dir.join("lost"));
    sim.create(&kept).unwrap();
    sim.sync_dir(&dir).unwrap();
    sim.create(&lost).unwrap().sync().unwrap();
    sim.power_cut(Survival::Nothing);
    assert_eq!(sim.list(&dir).unwrap(), ["kept"]);
}

#[test]
fn handles_and_locks_of_a_dead_process_are_dead() {
    let sim = SimFiles::new(1);
    let dir = PathBuf::from("/sim");
    sim.create_dir_all(&dir).unwrap();
    let file = sim.create(&dir.join("a")).unwrap();
    let Lock::Held(old) = sim.lock(&dir.join("LOCK"), "one").unwrap() else { panic!("not free") };
    sim.kill();
    assert!(file.len().is_err() && file.sync().is_err());
    let Lock::Held(_new) = sim.lock(&dir.join("LOCK"), "two").unwrap() else { panic!("not free") };
    drop(old);
    assert!(matches!(sim.lock(&dir.join("LOCK"), "three").unwrap(), Lock::Busy(_)));
}

#[test]
fn faults_happen_in_the_call_they_are_meant_for() {
    let sim = SimFiles::new(1);
    let dir = PathBuf::from("/sim");
    sim.create_dir_all(&dir).unwrap();
    let file = sim.create(&dir.join("a")).unwrap();
    sim.inject(Fault::FailWrite { nth: 2 });
    sim.inject(Fault::FailSync { nth: 2 });
    let one = |file: &dyn File| write_all_at(file, &[b"bytes"], 0);
    assert!(one(&*file).is_ok() && one(&*file).is_err() && one(&*file).is_ok());
    assert!(file.sync().is_ok() && sim.sync_dir(&dir).is_err() && file.sync().is_ok());
    sim.inject(Fault::Full { bytes: 3 });
    assert!(one(&*file).is_ok());
    assert_eq!(write_all_at(&*file, &[b"bytes"], 5).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 8);
    sim.heal();
    sim.inject(Fault::Stop { nth: 2 });
    assert!(one(&*file).is_ok() && one(&*file).is_err() && file.sync().is_err());
}
