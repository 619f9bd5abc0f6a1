//! Properties of the object file that hold on every kernel.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SymbolKind};

use super::*;

fn object() -> object::File<'static> {
    object::File::parse(OBJECT).expect("the build script made an object file")
}

#[test]
fn the_object_holds_every_program() {
    let object = object();
    let programs = [
        names::SET_STATE_BTF,
        names::SET_STATE_BTF_2,
        names::SET_STATE,
        names::SET_STATE_2,
        names::SET_STATE_TP,
        names::SEND_RESET,
        names::RETRANSMIT_SYNACK,
        names::TC_INGRESS,
        names::TC_EGRESS,
    ];
    for program in programs {
        let found = object.symbol_by_name(program).expect("the program is there");
        assert_eq!(found.kind(), SymbolKind::Text, "{program}");
    }
}

#[test]
fn no_program_calls_a_function() {
    // The compiler makes calls of memset and memcpy where it is not kept from it, which not every kernel accepts.
    let object = object();
    for section in object.sections().filter(|section| section.name().is_ok_and(|name| !name.starts_with('.'))) {
        for (at, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
            let symbol = object.symbol_by_index(symbol).expect("a symbol");
            assert_ne!(symbol.kind(), SymbolKind::Text, "{:?} at {at}: {:?}", section.name(), symbol.name());
        }
    }
}

#[test]
fn the_licence_lets_the_programs_call_their_helpers() {
    let licence = object().section_by_name("license").and_then(|section| section.data().ok());
    assert_eq!(licence, Some(b"Dual MIT/GPL\0".as_slice()));
}

#[test]
fn the_settings_have_the_layout_that_the_programs_expect() {
    let size = object().symbol_by_name(names::CONFIG).map(|symbol| symbol.size());
    assert_eq!(size, Some(size_of::<Config>() as u64));
}
