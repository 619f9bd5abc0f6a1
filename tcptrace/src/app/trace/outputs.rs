//! Opening of all outputs, and of the pipeline that feeds them.

use anyhow::Result;
use log::debug;
use tcptrace_core::{describe::Describer, event::BootTime};

use crate::{
    app::{export, stdout_format, top::Session},
    bpf::Object,
    cgroups::CgroupNames,
    cli::{Options, Segments, Verbosity},
    host_clock,
    metrics::{self, Listener},
    otlp,
    pipeline::Pipeline,
    privileges::as_caller,
    procfs::kernel_threads::KernelThreads,
    say::say,
};

/// Opens all outputs, the file that is emptied last, and creates the pipeline that feeds them. Also returns the time when
/// they were open. `across`: the segments of several network namespaces are seen.
pub(super) fn open_pipeline(
    options: &Options,
    session: Option<&Session>,
    object: &Object,
    netns: u32,
    across: bool,
) -> Result<(Pipeline, BootTime)> {
    let cgroups = CgroupNames::start().inspect_err(|error| debug!("containers and units are not named: {error}"));
    let exporter = export::start(options, otlp::Source::Live)?;
    let listener = options.metrics.map(|address| as_caller(|| Listener::bind(address))).transpose()?.transpose()?;
    let output = as_caller(|| stdout_format::open(options, session))??;
    let describer = Describer::live(host_clock::wall_clock());
    let began = host_clock::now();
    let kernel_threads = (!object.has_types()).then(KernelThreads::default);
    let mut pipeline = Pipeline::new(netns, describer, output, kernel_threads);
    if let Some(listener) = listener {
        let address = listener.address;
        pipeline.output.count_in(metrics::serve(listener)?);
        if options.verbosity > Verbosity::Quiet {
            say(format_args!("tcptrace: metrics at http://{address}/metrics"));
        }
    }
    if let Some(exporter) = exporter {
        pipeline.output.export_by(exporter);
    }
    pipeline.across_namespaces = across;
    pipeline.cgroups = cgroups.ok();
    pipeline.limit(options.max_connections);
    pipeline.record_only(options.count.is_some() || options.top);
    match options.segments {
        Segments::All => pipeline.expect_all_segments(),
        Segments::None => pipeline.expect_no_segments(),
        Segments::Control => {}
    }
    pipeline.reasons = object.reasons();
    Ok((pipeline, began))
}
