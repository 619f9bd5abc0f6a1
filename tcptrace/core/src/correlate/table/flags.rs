//! Facts that are true or false, a bit each: there may be a million connections, with dozens of them.

/// Defines the type of a field `flags`, and for each of its bits a method that returns it and one that sets it.
macro_rules! flags {
    ($flags:ident of $owner:ident: $bits:ident { $($(#[doc = $doc:literal])+ $get:ident, $set:ident;)+ }) => {
        #[derive(Clone, Copy, Debug, Default)]
        struct $flags($bits);

        impl $flags {
            fn has(self, flag: Flag) -> bool {
                self.0 & 1 << flag as $bits != 0
            }

            fn set(&mut self, flag: Flag, value: bool) {
                let bit = 1 << flag as $bits;
                self.0 = if value { self.0 | bit } else { self.0 & !bit };
            }
        }

        #[allow(non_camel_case_types, reason = "the names of the methods")]
        #[derive(Clone, Copy)]
        enum Flag {
            $($get),+
        }

        impl $owner {
            $(
                $(#[doc = $doc])+
                pub(in crate::correlate) fn $get(&self) -> bool {
                    self.flags.has(Flag::$get)
                }

                /// Sets this.
                pub(in crate::correlate) fn $set(&mut self, value: bool) {
                    self.flags.set(Flag::$get, value);
                }
            )+
        }
    };
}

pub(super) use flags;
