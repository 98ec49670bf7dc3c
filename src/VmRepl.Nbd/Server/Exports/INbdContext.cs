namespace VmRepl.Nbd.Server;

/// <summary>Says something of every byte of an export (<c>NBD_CMD_BLOCK_STATUS</c>).</summary>
public interface INbdContext
{
    /// <summary>Runs from <paramref name="offset"/> on, in order, without gaps, that cover [offset, offset+length) exactly; they may be endless many, so they are made as they are asked for.</summary>
    IEnumerable<NbdExtent> Status(long offset, long length);
}
