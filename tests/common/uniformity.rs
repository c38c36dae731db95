//! Whether every barrier is reached by all threads of a workgroup together, in a form that every compiler can see: naga has no such
//! analysis, Tint's accepts more than FXC's.
//!
//! A value varies where it depends on the thread, on memory that is written, or on a variable that was assigned such a value or under
//! such a condition. A barrier must stand under no condition that varies, in no loop that is left under one, after no return under
//! one, and (FXC's X3663) in no loop that also holds a loop whose length varies.

use std::collections::HashSet;

use naga::{
    AddressSpace, Binding, BuiltIn, Expression, Function, Handle, LocalVariable, Module, Statement, StorageAccess,
};

/// The first barrier that is not seen to be uniform, in words.
pub fn check(module: &Module) -> Result<(), String> {
    let with_barrier = functions_with_barrier(module);
    let entries = module.entry_points.iter().map(|entry| (&entry.function, true));
    let functions = module.functions.iter().map(|(_, function)| (function, false));
    for (function, is_entry) in entries.chain(functions) {
        let mut body = Body {
            module,
            function,
            is_entry,
            with_barrier: &with_barrier,
            varying: HashSet::new(),
            varying_calls: HashSet::new(),
            fault: None,
        };
        // Until no further variable is found to vary.
        loop {
            let known = body.varying.len() + body.varying_calls.len();
            body.fault = None;
            body.block(&function.body, false);
            if body.varying.len() + body.varying_calls.len() == known {
                break;
            }
        }
        if let Some(fault) = body.fault {
            return Err(format!("{}: {fault}", function.name.as_deref().unwrap_or("main")));
        }
    }
    Ok(())
}

fn functions_with_barrier(module: &Module) -> HashSet<Handle<Function>> {
    fn has(statements: &[Statement], known: &HashSet<Handle<Function>>) -> bool {
        statements.iter().any(|statement| match statement {
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => true,
            Statement::Call { function, .. } => known.contains(function),
            Statement::Block(block) => has(block, known),
            Statement::If { accept, reject, .. } => has(accept, known) || has(reject, known),
            Statement::Switch { cases, .. } => cases.iter().any(|case| has(&case.body, known)),
            Statement::Loop { body, continuing, .. } => has(body, known) || has(continuing, known),
            _ => false,
        })
    }
    let mut known = HashSet::new();
    // A function stands behind those that it calls.
    for (handle, function) in module.functions.iter() {
        if has(&function.body, &known) {
            known.insert(handle);
        }
    }
    known
}

/// What a block holds.
#[derive(Default, Clone, Copy)]
struct Found {
    barrier: bool,
    /// A `break` or `continue` of the loop around it, under a condition that varies.
    leaves: bool,
    /// A `return` under such a condition.
    returns: bool,
    /// A loop whose length varies.
    varying_loop: bool,
}

impl Found {
    fn and(self, other: Found) -> Found {
        Found {
            barrier: self.barrier || other.barrier,
            leaves: self.leaves || other.leaves,
            returns: self.returns || other.returns,
            varying_loop: self.varying_loop || other.varying_loop,
        }
    }
}

struct Body<'a> {
    module: &'a Module,
    function: &'a Function,
    is_entry: bool,
    with_barrier: &'a HashSet<Handle<Function>>,
    varying: HashSet<Handle<LocalVariable>>,
    varying_calls: HashSet<Handle<Expression>>,
    fault: Option<&'static str>,
}

impl Body<'_> {
    /// `apart`: not all threads may be here.
    fn block(&mut self, statements: &[Statement], mut apart: bool) -> Found {
        let mut all = Found::default();
        for statement in statements {
            let found = self.statement(statement, apart);
            apart |= found.leaves || found.returns;
            all = all.and(found);
        }
        all
    }

    fn statement(&mut self, statement: &Statement, apart: bool) -> Found {
        match statement {
            Statement::Block(block) => self.block(block, apart),
            Statement::If { condition, accept, reject } => {
                let apart = apart || self.varies(*condition);
                self.block(accept, apart).and(self.block(reject, apart))
            }
            Statement::Switch { selector, cases } => {
                let apart = apart || self.varies(*selector);
                let bodies = cases.iter().map(|case| self.block(&case.body, apart));
                let mut found = bodies.fold(Found::default(), Found::and);
                // A `break` in it leaves only the switch.
                found.leaves = false;
                found
            }
            Statement::Loop { body, continuing, break_if } => {
                let mut found = self.block(body, apart);
                let apart = apart || found.leaves || found.returns;
                found = found.and(self.block(continuing, apart));
                let varies = found.leaves || found.returns || break_if.is_some_and(|condition| self.varies(condition));
                if found.barrier && varies {
                    self.fault = Some("a barrier in a loop whose length varies");
                }
                if found.barrier && found.varying_loop {
                    self.fault = Some(
                        "a barrier in a loop that also holds a loop whose length varies: write it out with //!repeat",
                    );
                }
                if varies {
                    // Once more, now that what it assigns varies.
                    self.block(body, true);
                    self.block(continuing, true);
                }
                Found { leaves: false, varying_loop: varies || found.varying_loop, ..found }
            }
            Statement::Break | Statement::Continue => Found { leaves: apart, ..Found::default() },
            Statement::Return { .. } => Found { returns: apart, ..Found::default() },
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => self.barrier(apart),
            Statement::Store { pointer, value } => {
                if apart || self.varies(*value) || self.index_varies(*pointer) {
                    self.varying.extend(self.root(*pointer));
                }
                Found::default()
            }
            Statement::Call { function, arguments, result } => {
                let mut varies = apart;
                for argument in arguments {
                    varies |= self.varies(*argument);
                    // It may be written through.
                    self.varying.extend(self.root(*argument));
                }
                let callee = &self.module.functions[*function];
                let globals = callee.expressions.iter().any(|(_, e)| matches!(e, Expression::GlobalVariable(_)));
                self.varying_calls.extend(result.filter(|_| varies || globals));
                match self.with_barrier.contains(function) {
                    true => self.barrier(apart),
                    false => Found::default(),
                }
            }
            _ => Found::default(),
        }
    }

    fn barrier(&mut self, apart: bool) -> Found {
        if apart {
            self.fault = Some("a barrier that only some threads may reach");
        }
        Found { barrier: true, ..Found::default() }
    }

    /// The local variable behind a pointer.
    fn root(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.root(base),
            _ => None,
        }
    }

    fn index_varies(&self, pointer: Handle<Expression>) -> bool {
        match self.function.expressions[pointer] {
            Expression::Access { base, index } => self.varies(index) || self.index_varies(base),
            Expression::AccessIndex { base, .. } => self.index_varies(base),
            _ => false,
        }
    }

    fn varies(&self, expression: Handle<Expression>) -> bool {
        match &self.function.expressions[expression] {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::ArrayLength(_)
            | Expression::WorkGroupUniformLoadResult { .. } => false,
            Expression::FunctionArgument(index) => {
                let binding = self.function.arguments[*index as usize].binding.as_ref();
                let of_workgroup =
                    [BuiltIn::WorkGroupId, BuiltIn::NumWorkGroups, BuiltIn::WorkGroupSize].map(Binding::BuiltIn);
                !(self.is_entry && binding.is_some_and(|binding| of_workgroup.contains(binding)))
            }
            Expression::GlobalVariable(variable) => match self.module.global_variables[*variable].space {
                AddressSpace::Uniform => false,
                AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
                _ => true,
            },
            Expression::LocalVariable(variable) => self.varying.contains(variable),
            Expression::Load { pointer } => self.varies(*pointer),
            Expression::Access { base, index } => self.varies(*base) || self.varies(*index),
            Expression::AccessIndex { base, .. } => self.varies(*base),
            Expression::Splat { value, .. } => self.varies(*value),
            Expression::Swizzle { vector, .. } => self.varies(*vector),
            Expression::Compose { components, .. } => components.iter().any(|c| self.varies(*c)),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => self.varies(*expr),
            Expression::Binary { left, right, .. } => self.varies(*left) || self.varies(*right),
            Expression::Select { condition, accept, reject } => {
                [condition, accept, reject].into_iter().any(|e| self.varies(*e))
            }
            Expression::Relational { argument, .. } => self.varies(*argument),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                [Some(arg), arg1.as_ref(), arg2.as_ref(), arg3.as_ref()].into_iter().flatten().any(|e| self.varies(*e))
            }
            Expression::CallResult(_) => self.varying_calls.contains(&expression),
            _ => true,
        }
    }
}
